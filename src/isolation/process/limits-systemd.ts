import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../../system/process.ts'
import { runProgram } from '../../system/spawn.ts'
import type { WorkloadLimits } from '../isolation.ts'
import { namesOf, type Argv, type Holder, type Limit, type LimitHost } from './limits-holder.ts'

/** A systemd scope around the launcher: the user's own manager, or the system's for root. undefined when none serves. */
export async function systemdScope(limits: WorkloadLimits, host: LimitHost): Promise<Holder | undefined> {
  const wanted = namesOf(limits).filter((limit) => isControlled(limit, host.uid))
  const program = findProgram('systemd-run')
  const environment = managerEnvironment(host)
  if (wanted.length === 0 || program === undefined || environment === undefined) return undefined
  if (!(await answers(program, host, environment))) return undefined
  return {
    held: new Set(wanted),
    wrap: (argv) => scope(program, limits, host, argv),
    environment,
    cleanup: async () => {},
  }
}

/** How its clients find the manager, or undefined when there is none. */
function managerEnvironment({ uid, environment }: LimitHost): Readonly<Record<string, string>> | undefined {
  if (uid === 0) return existsSync('/run/systemd/system') ? {} : undefined
  const runtime = environment['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`
  if (!existsSync(join(runtime, 'systemd/private'))) return undefined
  const bus = environment['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${join(runtime, 'bus')}`
  return { XDG_RUNTIME_DIR: runtime, DBUS_SESSION_BUS_ADDRESS: bus }
}

/** A socket may be there and nobody behind it; the launcher must not be the one to find out. */
async function answers(
  program: string,
  host: LimitHost,
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { code } = await runProgram(program, [...manager(host), ...TRANSIENT, '--', '/bin/true'], {
    environment,
    timeout: 5000,
  })
  return code === 0
}

/** Whether the manager has the controller: the system's from the kernel, the user's from the system's (Delegate=). */
function isControlled(limit: Limit, uid: number): boolean {
  const user = `user.slice/user-${uid}.slice/user@${uid}.service`
  try {
    const folder = join('/sys/fs/cgroup', uid === 0 ? '' : user)
    return readFileSync(join(folder, 'cgroup.controllers'), 'latin1').split(/\s+/).includes(limit)
  } catch {
    return uid === 0 && existsSync(join('/sys/fs/cgroup', limit)) // Version 1, which is not passed on to users.
  }
}

function scope(program: string, { memory, pids }: WorkloadLimits, host: LimitHost, argv: Argv): Argv {
  const memoryOptions = memory === undefined ? [] : ['-p', `MemoryMax=${memory}`, '-p', 'MemorySwapMax=0']
  const pidsOptions = pids === undefined ? [] : ['-p', `TasksMax=${pids}`]
  return [program, ...manager(host), ...TRANSIENT, ...memoryOptions, ...pidsOptions, '--', ...argv]
}

const TRANSIENT = ['--scope', '--quiet', '--collect'] as const

function manager({ uid }: LimitHost): readonly string[] {
  return uid === 0 ? [] : ['--user']
}
