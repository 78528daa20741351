import type { AuditLog } from '../audit/log.ts'
import type { Config } from '../config/schema.ts'
import type { KeptInspectors } from '../egress/inspect/custom/kept-program.ts'
import type { WorkloadExit, WorkloadPlan } from '../isolation/isolation.ts'
import type { MoatNamespaces, Workload } from '../isolation/process/launch.ts'
import type { MoatHelper } from '../isolation/process/moat-process.ts'
import type { Secret } from '../secrets/secret.ts'
import type { RunAdditions } from './run-config.ts'
import type { StartOptions } from './run-workload.ts'

/** One command in a cage of its own, from nothing to nothing. */
export interface RunRequest {
  readonly command: readonly [string, ...string[]]
  /** Path of a configuration; absent: nothing is reachable but what `additions` allow. */
  readonly configPath: string | undefined
  /** What to go by where there is no file, such as a scaffold. */
  readonly preset?: Config | undefined
  readonly additions: RunAdditions
  /** Values given for this run. */
  readonly secrets: readonly Secret[]
  /** The project folder, as named. */
  readonly project: string
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdio: StartOptions['stdio']
  /** For the operator: warnings, and what the egress has to say. */
  readonly log: (message: string) => void
  /** Called once the command has begun: forwards signals to it. Returns what undoes that. */
  readonly onStarted: (workload: Workload, cage: StartedCage) => Disposable | Promise<Disposable>
  /** Started ahead; the caller disposes of it. */
  readonly moatHelper?: MoatHelper | undefined
  /** For a cage that stays. */
  readonly service?: CageService | undefined
}

/** A cage whose name and state are its own: nothing else may use them meanwhile. */
export interface CageService {
  readonly name: string
  /** Where its configuration came from, absolute: relative paths of secrets start there. */
  readonly source: string
  readonly inspectors: KeptInspectors
  /** Tells which configuration is in force, by its digest, or why one is not. Does not throw. */
  readonly tell: (configSha256: string, problem?: string) => Promise<void>
}

/** What others need to work with a cage that runs. */
export interface StartedCage {
  readonly plan: WorkloadPlan
  readonly moat: MoatNamespaces
  /** Folder for this run; only this user may enter it. */
  readonly scratch: string
  /** Reads configuration and secrets again. Never throws: how it went is logged and told. */
  readonly reload: () => Promise<void>
}

export interface RunResult {
  readonly exit: WorkloadExit
  readonly counts: AuditLog['counts']
  readonly auditPath: string
}
