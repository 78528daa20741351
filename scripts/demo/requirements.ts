import { spawnSync } from 'node:child_process'
import { installCommand, packageManager } from '../../src/cage/doctor-packages.ts'
import { LAUNCH_PROGRAMS, packageOf, type PackageManager } from '../../src/isolation/process/launch-programs.ts'
import { findProgram } from '../../src/system/process.ts'

/** What is to be done about packages that are missing. */
export type Remedy =
  | { readonly kind: 'none' }
  | { readonly kind: 'install'; readonly packages: readonly string[] }
  /** `command` is for a shell; undefined where we do not know the distribution. */
  | { readonly kind: 'ask'; readonly packages: readonly string[]; readonly command: string | undefined }

export interface Host {
  readonly manager: PackageManager | undefined
  readonly uid: number
  readonly has: (program: string) => boolean
}

/** Pure. Installs by itself only as root and with apt; everywhere else somebody is asked to. */
export function remedyFor({ manager, uid, has }: Host): Remedy {
  const missing = LAUNCH_PROGRAMS.filter((program) => !has(program))
  if (missing.length === 0) return { kind: 'none' }
  const packages = [...new Set(missing.map((program) => packageOf(program, manager ?? 'apt')))]
  if (uid === 0 && manager === 'apt') return { kind: 'install', packages }
  return { kind: 'ask', packages, command: installCommand(manager, () => packages.join(' '), uid) }
}

/** Sees to it that all is there that a cage needs. Returns why it is not, for people, or undefined. */
export function meetRequirements(say: (line: string) => void): string | undefined {
  if (process.platform !== 'linux') return `The demo needs Linux; this is ${process.platform}.`
  const uid = process.geteuid?.() ?? 0
  const remedy = remedyFor({ manager: packageManager(), uid, has: (program) => findProgram(program) !== undefined })
  switch (remedy.kind) {
    case 'none':
      return undefined
    case 'ask': {
      const command = remedy.command === undefined ? '' : `\n\n    ${remedy.command}\n`
      return `The cage needs ${remedy.packages.join(', ')}. Install that, then run the demo again.${command}`
    }
    case 'install':
      say(`The cage needs ${remedy.packages.join(', ')}: installing with apt-get.`)
      return install(remedy.packages)
  }
}

function install(packages: readonly string[]): string | undefined {
  // What a list of some third party lacks, installing need not: only the second has to succeed.
  aptGet('update')
  if (aptGet('install', '--yes', '--no-install-recommends', ...packages)) return undefined
  return `apt-get could not install ${packages.join(', ')}.`
}

function aptGet(command: string, ...args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const quiet = ['-qq', '-o', 'Dpkg::Use-Pty=0']
  return (
    spawnSync('apt-get', [command, ...quiet, ...args], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0
  )
}
