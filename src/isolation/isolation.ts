/** Part of the file system as the workload sees it. Later entries lie over earlier ones. */
export type Mount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly writable: boolean }
  /** `sealed`: read-only as soon as everything is mounted; it only gives place to what lies in it. */
  | {
      readonly kind: 'tmpfs'
      readonly target: string
      readonly sizeBytes?: number
      readonly mode?: number
      readonly sealed?: boolean
    }
  | { readonly kind: 'directory'; readonly target: string }
  | { readonly kind: 'symlink'; readonly target: string; readonly to: string }
  /** An empty, unwritable, unreadable-content stand-in over whatever the path holds. */
  | { readonly kind: 'mask'; readonly target: string; readonly over: 'file' | 'directory' }
  | { readonly kind: 'proc'; readonly target: string }
  | { readonly kind: 'dev'; readonly target: string }
  /** A device of the host's that may be used as such. */
  | { readonly kind: 'device'; readonly source: string; readonly target: string }

/** What to run and what it may see: made by pure code from the configuration and facts about the host. */
export interface WorkloadPlan {
  /** argv of the workload; never a shell string. */
  readonly command: readonly [string, ...string[]]
  /** Absolute, inside the cage. */
  readonly workingDirectory: string
  /** The whole environment; nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  readonly limits: WorkloadLimits
}

export interface WorkloadLimits {
  /** Bytes. */
  readonly memory?: number | undefined
  /** Processes and threads at once. */
  readonly pids?: number | undefined
}

/** How a workload ended. `signal` is set when a signal ended it; the shell's convention is then 128 + its number. */
export interface WorkloadExit {
  readonly code: number
  readonly signal?: NodeJS.Signals | undefined
}
