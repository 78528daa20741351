import { readFileSync } from 'node:fs'
import type { PackageManager } from '../isolation/process/launch-programs.ts'

const FAMILIES: Readonly<Record<string, PackageManager>> = {
  debian: 'apt',
  ubuntu: 'apt',
  fedora: 'dnf',
  rhel: 'dnf',
  centos: 'dnf',
  arch: 'pacman',
  alpine: 'apk',
  suse: 'zypper',
  opensuse: 'zypper',
}

const INSTALL: Readonly<Record<PackageManager, string>> = {
  apt: 'apt-get install -y',
  dnf: 'dnf install -y',
  pacman: 'pacman -S --noconfirm',
  apk: 'apk add',
  zypper: 'zypper install -y',
}

/** The package manager of this distribution's family by os-release(5), or undefined when it is none that we know. */
export function packageManager(osRelease: string = readOsRelease()): PackageManager | undefined {
  const value = (key: string): string => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? ''
  const names = `${value('ID')} ${value('ID_LIKE')}`.split(/\s+/)
  return names.map((name) => FAMILIES[name.replace(/-.*$/, '')]).find((manager) => manager !== undefined)
}

/** The command line that installs a package; undefined where we do not know the distribution. */
export function installCommand(
  manager: PackageManager | undefined,
  packageName: (manager: PackageManager) => string,
  uid: number = process.geteuid?.() ?? 0,
): string | undefined {
  if (manager === undefined) return undefined
  return `${uid === 0 ? '' : 'sudo '}${INSTALL[manager]} ${packageName(manager)}`
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return ''
  }
}
