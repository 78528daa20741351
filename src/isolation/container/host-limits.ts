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

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
