import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { CageError } from '../../errors.ts'
import type { Mount } from '../isolation.ts'
import { isWithin } from './paths.ts'

type Bind = Extract<Mount, { readonly kind: 'bind' }>

/** What is to lie at a place of the cage when it has been made. */
export interface ExpectedMount {
  readonly mount: Bind | Extract<Mount, { readonly kind: 'mask' }>
  /** Where the kernel has the mount: the target without symbolic links of the plan's own. */
  readonly place: string
  /** Device and inode of a bind's source, undefined where nobody can exchange it. */
  readonly source: string | undefined
}

/**
 * What the plan's mounts are to be, but for those that later ones cover. bubblewrap finds sources by their path, so that
 * a workload of another cage on the same folder could put a symbolic link in its place at the last moment, and have
 * mounted what that leads to. Throws `mount_refused` when that has happened already.
 */
export function expectMounts(mounts: readonly Mount[]): readonly ExpectedMount[] {
  return mounts.flatMap((mount, index): readonly ExpectedMount[] => {
    if (mount.kind !== 'bind' && mount.kind !== 'mask') return []
    if (mounts.slice(index + 1).some((later) => covers(later, mount.target))) return []
    const source = mount.kind === 'bind' ? identityOf(mount.source) : undefined
    return [{ mount, place: placeOf(mount.target, mounts), source }]
  })
}

/**
 * Compares with what the process has mounted. Throws `mount_refused` at the first difference. The kernel is asked by the
 * id of the mount, because a path may be exchanged between two questions.
 */
export function verifyMounts(expected: readonly ExpectedMount[], pid: number): void {
  const mounted = mountTable(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))
  for (const { mount, place, source } of expected) {
    if (!isAsExpected(mounted, { mount, place, source }, `/proc/${pid}/root`)) throw changed(mount.target)
  }
}

/** `root`: the cage's, as a path of ours. */
export function isAsExpected(mounted: MountTable, { mount, place, source }: ExpectedMount, root: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(join(root, place), O_PATH | constants.O_NOFOLLOW)
  } catch {
    return false
  }
  try {
    const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1]
    const found = mounted.get(id ?? '')
    if (found?.place !== place) return false
    if (!found.readOnly && (mount.kind === 'mask' ? mount.over === 'directory' : !mount.writable)) return false
    return source === undefined || source === identity(fstatSync(descriptor, { bigint: true }))
  } finally {
    closeSync(descriptor)
  }
}

/** asm-generic/fcntl.h: names a file without opening it. */
const O_PATH = 0o10000000

/** By id; the place in the cage. */
type MountTable = ReadonlyMap<string, { readonly place: string; readonly readOnly: boolean }>

/** proc(5): `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS …`, with space, tab, newline and backslash in octal. */
export function mountTable(mountinfo: string): MountTable {
  return new Map(
    mountinfo.split('\n').map((line) => {
      const [id = '', , , , place = '', options = ''] = line.split(' ')
      const path = place.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
      return [id, { place: path, readOnly: options.split(',').includes('ro') }]
    }),
  )
}

function covers(mount: Mount, target: string): boolean {
  return mount.kind !== 'directory' && mount.kind !== 'symlink' && isWithin(target, mount.target)
}

function placeOf(target: string, mounts: readonly Mount[]): string {
  const link = mounts.find((mount) => mount.kind === 'symlink' && isWithin(target, mount.target))
  if (link?.kind !== 'symlink') return target
  return join(resolve(dirname(link.target), link.to), target.slice(link.target.length))
}

/** No workload can write to `/`, where a system may have symbolic links, nor exchange what the kernel shows. */
function identityOf(source: string): string | undefined {
  if (isWithin(source, '/proc') || isWithin(source, '/sys')) return undefined
  try {
    const [, top = '', ...rest] = source.split('/')
    const wanted = join(realpathSync(`/${top}`), ...rest)
    if (realpathSync(source) === wanted) return identity(statSync(wanted, { bigint: true }))
  } catch {
    return 'none' // bubblewrap says better what is wrong with it.
  }
  throw changed(source)
}

function identity({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`
}

function changed(path: string): CageError {
  return new CageError('mount_refused', `${path} changed while the cage was made`, {
    hint: 'Something exchanges files there, perhaps the workload of another cage: end it, look at the folder, start again.',
  })
}
