import type { WorkloadLimits } from '../isolation.ts'

export type Limit = keyof WorkloadLimits

/** A command line: an absolute path and its arguments. */
export type Argv = readonly [string, ...string[]]

/** One way to hold some of the limits. */
export interface Holder {
  readonly held: ReadonlySet<Limit>
  readonly wrap: (argv: Argv) => Argv
  /** Environment that the wrapper needs. */
  readonly environment: Readonly<Record<string, string>>
  readonly cleanup: () => Promise<void>
}

export interface LimitHost {
  /** Effective user id. */
  readonly uid: number
  readonly environment: Readonly<Record<string, string | undefined>>
  /** `uname -r`. */
  readonly kernel: string
}

/** The limits that are set. */
export function namesOf(limits: WorkloadLimits): readonly Limit[] {
  return (['memory', 'pids'] as const).filter((limit) => limits[limit] !== undefined)
}
