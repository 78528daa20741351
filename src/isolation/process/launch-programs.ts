import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'

/** Host programs that process isolation runs, and the package that holds each, by package manager. */
const PACKAGES = {
  bwrap: { apt: 'bubblewrap', dnf: 'bubblewrap', pacman: 'bubblewrap', apk: 'bubblewrap', zypper: 'bubblewrap' },
  ip: { apt: 'iproute2', dnf: 'iproute', pacman: 'iproute2', apk: 'iproute2', zypper: 'iproute2' },
  nsenter: { apt: 'util-linux', dnf: 'util-linux', pacman: 'util-linux', apk: 'util-linux-misc', zypper: 'util-linux' },
  unshare: { apt: 'util-linux', dnf: 'util-linux', pacman: 'util-linux', apk: 'util-linux-misc', zypper: 'util-linux' },
  setpriv: { apt: 'util-linux', dnf: 'util-linux', pacman: 'util-linux', apk: 'setpriv', zypper: 'util-linux' },
  sh: { apt: 'dash', dnf: 'bash', pacman: 'bash', apk: 'busybox', zypper: 'bash' },
} as const

export type LaunchProgram = keyof typeof PACKAGES
export type PackageManager = 'apt' | 'dnf' | 'pacman' | 'apk' | 'zypper'

export const LAUNCH_PROGRAMS = Object.keys(PACKAGES) as readonly LaunchProgram[]

/** The package that holds the program. */
export function packageOf(program: LaunchProgram, manager: PackageManager): string {
  return PACKAGES[program][manager]
}

/** Absolute path of the program. Throws `host_unsupported` when the host lacks it. */
export function requireProgram(program: LaunchProgram): string {
  const path = findProgram(program)
  if (path !== undefined) return path
  throw new CageError('host_unsupported', `${program} is not installed (package ${PACKAGES[program].apt})`, {
    hint: 'agentcage doctor names the command that installs it.',
  })
}
