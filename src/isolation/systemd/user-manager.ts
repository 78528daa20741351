import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import { runProgram, type ProgramResult } from '../../system/spawn.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What systemd says of a unit; see systemctl(1). */
export interface UnitState {
  readonly id: string
  /** `loaded`, `not-found`, `bad-setting`, … */
  readonly load: string
  /** `active`, `activating`, `deactivating`, `inactive`, `failed`, … */
  readonly active: string
  readonly sub: string
  /** `success`, `exit-code`, `timeout`, … */
  readonly result: string
  /** 0: none. */
  readonly mainPid: number
}

/** The systemd of this user. */
export interface UserManager {
  /** For programs that talk to it. */
  readonly environment: Readonly<Record<string, string>>
  /** Whether the user's services outlive the last log-out. */
  readonly lingers: boolean
  /** Name, or number where it has none. */
  readonly user: string
  /** Runs `systemctl --user ARGS`; default timeout 20 s. How it went is in the result. */
  systemctl(args: readonly string[], timeout?: number): Promise<ProgramResult>
  /** In the order asked for. */
  show(units: readonly string[]): Promise<readonly UnitState[]>
  /** The last lines of what units wrote, oldest first; empty where there is no journal to read. */
  lastLines(selection: readonly string[], count: number): Promise<readonly string[]>
}

/** Finds the user's manager. Throws `host_unsupported` with the command that starts one. */
export function userManager(environment: Environment): UserManager {
  const systemctl = findProgram('systemctl')
  if (systemctl === undefined || !existsSync('/run/systemd/system')) {
    throw new CageError('host_unsupported', 'cages that stay need systemd, which does not run here', {
      hint: 'agentcage run starts a cage without it.',
    })
  }
  const uid = process.geteuid?.() ?? 0
  const runtime = runtimeFolder(environment, uid)
  if (!existsSync(join(runtime, 'systemd/private'))) throw noSession(runtime)
  const own = {
    ...definedOnly(environment),
    XDG_RUNTIME_DIR: runtime,
    DBUS_SESSION_BUS_ADDRESS: busOf(environment, runtime),
  }
  const run = (args: readonly string[], timeout = 20_000): Promise<ProgramResult> =>
    runProgram(systemctl, ['--user', ...args], { environment: own, timeout })
  return {
    environment: own,
    lingers: existsSync(join('/var/lib/systemd/linger', userName())),
    user: userName(),
    systemctl: run,
    async show(units) {
      const { stdout } = await run(['show', '--property', PROPERTIES, '--', ...units])
      return units.map((unit, index) => parseState(unit, stdout.split('\n\n')[index] ?? ''))
    },
    async lastLines(selection, count) {
      const journalctl = findProgram('journalctl')
      if (journalctl === undefined) return []
      const args = ['--user', '--quiet', '--no-pager', '--output', 'cat', '--lines', String(count), ...selection]
      const { stdout } = await runProgram(journalctl, args, { environment: own })
      return stdout.split('\n').filter((text) => text !== '')
    },
  }
}

const PROPERTIES = 'Id,LoadState,ActiveState,SubState,Result,MainPID'

function parseState(unit: string, block: string): UnitState {
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? ''
  return {
    id: unit,
    load: value('LoadState') || 'not-found',
    active: value('ActiveState') || 'inactive',
    sub: value('SubState'),
    result: value('Result'),
    mainPid: Number(value('MainPID')) || 0,
  }
}

function runtimeFolder(environment: Environment, uid: number): string {
  const named = environment['XDG_RUNTIME_DIR']
  return named !== undefined && named.startsWith('/') ? named : `/run/user/${uid}`
}

function busOf(environment: Environment, runtime: string): string {
  return environment['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${join(runtime, 'bus')}`
}

function definedOnly(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

function noSession(runtime: string): CageError {
  const user = userName()
  return new CageError(
    'host_unsupported',
    `no systemd runs for user ${user} (${join(runtime, 'systemd')} is missing)`,
    {
      hint: `sudo loginctl enable-linger ${user}`,
    },
  )
}

/** An account without an entry in /etc/passwd has no name; systemd takes the number too. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.geteuid?.() ?? 0)
  }
}
