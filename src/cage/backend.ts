import type { Readable, Writable } from 'node:stream'
import type { Isolation } from '../config/isolation.ts'
import type { WorkloadExit } from '../isolation/isolation.ts'
import type { StdioEntry } from '../isolation/process/launch.ts'
import type { Deployment, Environment } from './deployment.ts'
import type { DeploymentRecord } from './deployment-record.ts'

/** A part of a cage that runs. With `isolation: process` one service is all of them. */
export type Part = 'cage' | 'proxy' | 'dns'

/** One file that systemd or Podman reads. */
export interface UnitFile {
  /** Such as `demo-cage.service`. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly content: string
}

export interface ServiceStatus {
  /** The systemd unit, `demo-cage.service`. */
  readonly unit: string
  readonly part: Part
  /** `running` means serving, not only started. */
  readonly state: 'running' | 'starting' | 'stopping' | 'stopped' | 'failed'
}

/** What a person waiting reads: one line, without a newline. */
export type Report = (line: string) => void

/** A step that may take long. */
export interface Step {
  readonly report: Report
  /** Aborted: whatever can be left where it is ends, and nothing new is begun. */
  readonly signal?: AbortSignal | undefined
}

/** A command to run in the cage, beside the workload. */
export interface ExecRequest {
  readonly command: readonly [string, ...string[]]
  /** `egress`: on the trusted side, where the backend has one of its own. */
  readonly part: 'cage' | 'egress'
  readonly stdio: readonly [StdioEntry, StdioEntry, StdioEntry]
  /** Placeholders as they are now: the cage may have started with fewer. */
  readonly placeholders: Readonly<Record<string, string>>
  readonly log: (message: string) => void
  /** Ends the command when aborted. */
  readonly signal?: AbortSignal | undefined
}

/** A command that runs in the cage. */
export interface Execution {
  /** Whether it has our terminal, which then delivers its signals itself. */
  readonly terminal: boolean
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  /** 128 + N when signal N ended it. */
  readonly exited: Promise<WorkloadExit>
  kill(signal: NodeJS.Signals): boolean
}

/** Where a part's messages are: arguments that select them for `journalctl --user`. */
export type JournalSelection = readonly string[]

/**
 * How cages of one isolation are made services. Who calls holds the cage's lock for everything that changes something.
 * What is decided is pure; every step may be repeated after it was cut off.
 */
export interface Backend {
  readonly isolation: Isolation

  /** Throws `host_unsupported` with the command that mends it. Changes nothing. */
  requireHost(environment: Environment): Promise<void>

  /**
   * Checks what only the host can tell (mounts, programs, images) and decides what the record keeps: addresses, the
   * hash of the egress image. Throws before anything is saved. `others`: the records of all other cages.
   */
  decide(
    draft: Deployment,
    others: readonly DeploymentRecord[],
  ): Promise<Pick<DeploymentRecord, 'network' | 'egress_image' | 'egress_base'>>

  /** The units, pure: what `--dry-run` prints. */
  units(deployment: Deployment): readonly UnitFile[]

  /** Builds what the units need, writes them and makes systemd read them. */
  install(deployment: Deployment, step: Step): Promise<void>

  /** Starts and waits until the cage serves. Throws `service_failed` with the last lines of the journal. */
  start(deployment: Deployment, step: Step): Promise<void>

  stop(deployment: Deployment): Promise<void>

  /** Makes the running egress read configuration and secrets again (SIGHUP); it tells how that went by itself. */
  reload(deployment: Deployment): Promise<void>

  /** Placeholders are others now: writes them where the workload's next start takes them from. Absent: that is no place of its own. */
  renewPlaceholders?(deployment: Deployment): Promise<void>

  /**
   * Stops whatever runs and removes units and what Podman has of the cage, but never named volumes of the user. For
   * whatever is left of a cage: missing pieces are passed over. Yields the names of what was removed.
   */
  remove(name: string, environment: Environment, report: Report): Promise<readonly string[]>

  /** Removes what earlier versions left and none of these cages needs. Absent: there is nothing of the kind. */
  prune?(environment: Environment, records: readonly DeploymentRecord[]): Promise<void>

  /** In the order proxy, dns, cage. */
  status(deployment: Pick<Deployment, 'name' | 'record' | 'environment'>): Promise<readonly ServiceStatus[]>

  /** Throws `cage_not_running`. Never gives the command more than the workload has. */
  exec(deployment: Deployment, request: ExecRequest): Promise<Execution>

  journal(name: string, parts: readonly Part[]): JournalSelection
}
