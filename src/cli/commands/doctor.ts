import { checkHost } from '../../cage/doctor.ts'
import type { Io } from '../io.ts'
import { checksText } from '../render/checks.ts'
import type { DoctorFlags } from '../routes/doctor.ts'

/** `agentcage doctor`: 0 when cages can run on this host, 1 when something that they need is missing. */
export async function doctor(flags: DoctorFlags, _args: readonly [], io: Io): Promise<number> {
  const checks = await checkHost(io.env)
  const ready = checks.every(({ status }) => status !== 'missing')
  io.stdout.write(
    flags.json ? `${JSON.stringify({ ok: ready, checks }, null, 2)}\n` : `${checksText(checks)}${verdict(ready)}\n`,
  )
  return ready ? 0 : 1
}

function verdict(ready: boolean): string {
  return ready ? 'This host can run cages.' : 'This host cannot run cages yet; mend what is missing.'
}
