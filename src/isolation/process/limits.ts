import type { WorkloadLimits } from '../isolation.ts'

/** How the limits are held, and what could not be. */
export interface AppliedLimits {
  /** The launcher's command line, so that it and all it starts are held. */
  wrap(argv: readonly [string, ...string[]]): readonly [string, ...string[]]
  /** Environment that the wrapper needs. */
  readonly environment: Readonly<Record<string, string>>
  /** For RLIMIT_NPROC in the workload's own user namespace; 0: the processes are held elsewhere, or not at all. */
  readonly processLimit: number
  /** Each names a limit that is not held and why. */
  readonly warnings: readonly string[]
  /** Removes what was made. Call it when the workload has ended. */
  cleanup(): Promise<void>
}
