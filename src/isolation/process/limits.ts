import { release } from 'node:os'
import type { WorkloadLimits } from '../isolation.ts'
import { makeControlGroups } from './limits-cgroup.ts'
import { namesOf, type Argv, type Limit, type LimitHost } from './limits-holder.ts'
import { systemdScope } from './limits-systemd.ts'

/** How the limits are held, and what could not be. */
export interface AppliedLimits {
  /** The launcher's command line, so that it and all it starts are held. */
  wrap(argv: Argv): Argv
  /** Environment that the wrapper needs. */
  readonly environment: Readonly<Record<string, string>>
  /** For RLIMIT_NPROC in the workload's own user namespace; 0: the processes are held elsewhere, or not at all. */
  readonly processLimit: number
  /** Each names a limit that is not held and why. */
  readonly warnings: readonly string[]
  /** Removes what was made. Call it when the workload has ended. */
  cleanup(): Promise<void>
}

/**
 * Holds the limits with what the host offers: a process limit of the user namespace, a systemd scope, or control groups
 * of our own. Never throws for a limit that cannot be held: the workload runs, and a warning says what is missing.
 */
export async function applyLimits(limits: WorkloadLimits, host: LimitHost = thisHost()): Promise<AppliedLimits> {
  const processLimit = limits.pids !== undefined && countsProcessesPerNamespace(host) ? limits.pids : 0
  const wanted: WorkloadLimits = { memory: limits.memory, pids: processLimit > 0 ? undefined : limits.pids }
  const holder = (await systemdScope(wanted, host)) ?? makeControlGroups(wanted)
  const missing = namesOf(wanted).filter((limit) => !holder.held.has(limit))
  return {
    wrap: holder.wrap,
    environment: holder.environment,
    cleanup: holder.cleanup,
    processLimit,
    warnings: missing.map(warning),
  }
}

/** What this process runs on. */
export function thisHost(): LimitHost {
  return { uid: process.geteuid?.() ?? 0, environment: process.env, kernel: release() }
}

/**
 * Since Linux 5.14 RLIMIT_NPROC counts each user namespace by itself; before, all processes of the user counted, and a
 * limit would have struck those outside. The superuser is exempt.
 */
function countsProcessesPerNamespace({ uid, kernel }: LimitHost): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number)
  return uid !== 0 && (major > 5 || (major === 5 && minor >= 14))
}

function warning(limit: Limit): string {
  const what =
    limit === 'memory' ? 'memory of the workload is not limited' : 'number of processes in the workload is not limited'
  return `the ${what}: no systemd manager with the ${limit} controller answers, and no control group with it can be made`
}
