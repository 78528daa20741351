import { readFileSync } from 'node:fs'

/** What this host's systemd lets a user's services limit. */
export interface HostLimits {
  readonly memory: boolean
  readonly cpu: boolean
  readonly pids: boolean
}

/** By the control groups that were delegated to the user's manager; without them Podman refuses a limit. */
export function hostLimits(uid: number = process.geteuid?.() ?? 0): HostLimits {
  const path = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/cgroup.controllers`
  const controllers = read(path).trim().split(/\s+/)
  return {
    memory: controllers.includes('memory'),
    cpu: controllers.includes('cpu'),
    pids: controllers.includes('pids'),
  }
}

interface WantedLimits {
  readonly memory?: string | undefined
  readonly cpus?: string | undefined
  readonly pids?: number | undefined
}

/** What a container is to be held to and is not, as warnings: it runs without the limits that this host cannot hold. */
export function limitWarnings(wanted: WantedLimits, host: HostLimits = hostLimits()): readonly string[] {
  const limits = [
    { controller: 'memory', wanted: wanted.memory, what: 'memory of the workload is' },
    { controller: 'cpu', wanted: wanted.cpus, what: 'processor time of the workload is' },
    { controller: 'pids', wanted: wanted.pids, what: 'number of processes in the workload is' },
  ] as const
  return limits
    .filter((limit) => limit.wanted !== undefined && !host[limit.controller])
    .map(({ controller, what }) => `the ${what} not limited: the systemd of this user has no ${controller} controller`)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
