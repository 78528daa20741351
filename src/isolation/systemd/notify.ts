import { findProgram } from '../../system/process.ts'
import { runProgram } from '../../system/spawn.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Tells systemd how this service stands, `READY=1` and the like (sd_notify(3)); does nothing where systemd did not ask.
 * Node has no datagram sockets of the local kind, hence systemd's own program; the unit needs NotifyAccess=all.
 */
export async function notifySystemd(states: readonly string[], environment: Environment): Promise<void> {
  const socket = environment['NOTIFY_SOCKET']
  const program = findProgram('systemd-notify')
  if (socket === undefined || program === undefined) return
  await runProgram(program, states, { environment: { NOTIFY_SOCKET: socket } })
}
