import { environmentWord, execWords, renderUnit, unitValue, type Directive } from '../systemd/unit-text.ts'

export interface ServiceUnitRequest {
  /** Of the cage. */
  readonly name: string
  /** What systemd runs: the supervisor of the cage. */
  readonly command: readonly [string, ...string[]]
  /** Beside what the user's manager has. */
  readonly environment: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly restart: 'no' | 'on-failure' | 'always'
  /** Seconds. */
  readonly restartSec: number
  readonly timeoutStartSec: number | null
  readonly timeoutStopSec: number
}

/** The one unit of a cage with process isolation. */
export function serviceUnitName(name: string): string {
  return `${name}-cage.service`
}

/** Exit code of a supervisor that cannot start, whatever is tried again: EX_CONFIG of sysexits(3). */
export const CANNOT_START = 78

/**
 * The unit, pure. Of systemd's own hardening it has what leaves namespaces alone: the supervisor makes those of the
 * workload, and what confines the workload is not systemd's but the cage's.
 */
export function serviceUnit(request: ServiceUnitRequest): string {
  const { name } = request
  return renderUnit(`Made by agentcage: change the cage with "agentcage cage edit ${name}", not this file.`, [
    {
      name: 'Unit',
      directives: [['Description', unitValue(`agentcage: cage ${name}`)]],
    },
    { name: 'Service', directives: serviceDirectives(request) },
    { name: 'Install', directives: [['WantedBy', 'default.target']] },
  ])
}

function serviceDirectives(request: ServiceUnitRequest): readonly Directive[] {
  const { name, environment, restart, timeoutStartSec } = request
  return [
    ['Type', 'notify'],
    ['NotifyAccess', 'all'],
    ['ExecStart', execWords(request.command)],
    ['ExecReload', '/bin/kill -HUP $MAINPID'],
    ['WorkingDirectory', unitValue(request.workingDirectory)],
    ...Object.entries(environment).map(([key, value]): Directive => ['Environment', environmentWord(key, value)]),
    // In memory, for this user alone, and gone with the service.
    ['RuntimeDirectory', `agentcage/${name}`],
    ['RuntimeDirectoryMode', '0700'],
    ['Environment', `TMPDIR=%t/agentcage/${name}`],
    ['SyslogIdentifier', `${name}-proxy`],
    ['SyslogLevelPrefix', 'no'],
    ['Restart', restart],
    ['RestartSec', String(request.restartSec)],
    ['RestartPreventExitStatus', String(CANNOT_START)],
    ['TimeoutStartSec', timeoutStartSec === null || timeoutStartSec === 0 ? 'infinity' : String(timeoutStartSec)],
    ['TimeoutStopSec', String(request.timeoutStopSec)],
    ['KillMode', 'mixed'],
    // Running out of memory ends the workload, which its own scope holds; the egress is not to go with it.
    ['OOMPolicy', 'continue'],
    ['UMask', '0077'],
    ['NoNewPrivileges', 'yes'],
    // Not RestrictSUIDSGID: it takes openat2(2) away, which bubblewrap opens sources with. The cage's own filter has it.
    ['LockPersonality', 'yes'],
    ['RestrictRealtime', 'yes'],
    ['SystemCallArchitectures', 'native'],
  ]
}
