import { dirname, resolve } from 'node:path'
import type { Mount } from '../../isolation.ts'
import { isWithin } from '../../process/paths.ts'

/** A place of the host's that the guest has a copy of, and may change. */
export interface Place {
  /** Absolute path on the host. */
  readonly source: string
  /** Absolute path in the guest. */
  readonly target: string
}

/** Where the workload may write on the host, each by itself also where one lies in another. */
export function handedPlaces(mounts: readonly Mount[]): readonly Place[] {
  return mounts.flatMap((mount) => (mount.kind === 'bind' && mount.writable ? [mount] : []))
}

/**
 * What of the workload's mounts is worth a copy: places, what lies over them, what was made for this cage, and read-only
 * `volumes` (paths in the guest). Programs of the host's that it shows beside its system would be copied at each start, and an
 * image has its own.
 */
export function copiedMounts(mounts: readonly Mount[], volumes: readonly string[]): readonly Mount[] {
  const kept = [...handedPlaces(mounts).map(({ target }) => target), ...volumes]
  return mounts.filter((mount) => {
    // The host's system, with which the VMM runs, is not copied with an image anyway.
    const isSystem = mount.target.lastIndexOf('/') === 0
    if (mount.kind !== 'bind' || mount.writable || isSystem || mount.source !== mount.target) return true
    return kept.some((place) => isWithin(mount.target, place))
  })
}

/** What lies over a place belongs to something else, or is masked or read-only: paths in the guest. */
export function boundaries(mounts: readonly Mount[]): ReadonlySet<string> {
  return new Set(mounts.map(({ target }) => target))
}

/**
 * Whether a link in a place leads to somewhere in it. `..` counts in front only: after another name it leads from where that
 * name leads, which may be a link.
 */
export function staysInside({ source, target }: Place, link: string, to: string): boolean {
  if (to.startsWith('/')) {
    if (source !== target || to.split('/').includes('..')) return false
    return isWithin(resolve(to), target)
  }
  const rest = to.replace(/^(?:\.{1,2}(?:\/+|$))+/, '')
  return !rest.split('/').includes('..') && isWithin(resolve(dirname(link), to), target)
}
