import type { BigIntStats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isErrno } from '../../../system/files.ts'
import { DiskError } from './disk-error.ts'
import type { DiskNode, DiskReader } from './ext4.ts'
import type { Place } from './places.ts'

/** What a place held when the guest got its copy, by path in the guest. */
export interface Memory {
  /** On the host; for files and links whatever changes when they do. */
  readonly host: ReadonlyMap<string, string>
  /** On the disk. */
  readonly disk: ReadonlyMap<string, Known>
}

export interface Known {
  readonly kind: DiskNode['kind']
  readonly version: string
}

/** More than any project has. */
export const MOST_ENTRIES = 1_000_000
const DEEPEST = 200

/** Looks at a place of the host's, following no link. Paths in `stops` and what is in them are another's. */
export async function rememberHost(
  places: readonly Place[],
  stops: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const look = async (source: string, target: string): Promise<void> => {
    const stats = await statOf(source)
    if (stats === undefined) return
    found.set(target, fingerprint(stats))
    if (!stats.isDirectory()) return
    for (const name of await readdir(source)) {
      const path = join(target, name)
      if (!stops.has(path)) await look(join(source, name), path)
    }
  }
  for (const { source, target } of places) await look(source, target)
  return found
}

/** Of folders it tells that they are some: what is in them is looked at by itself. */
export function fingerprint(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'folder'
  return [stats.dev, stats.ino, stats.mode, stats.size, stats.mtimeNs, stats.ctimeNs].join('.')
}

/** undefined: there is nothing. */
export async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** What the disk has in these places. */
export async function rememberDisk(
  disk: DiskReader,
  places: readonly Place[],
  stops: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Known>> {
  const found = new Map<string, Known>()
  const look = async (node: DiskNode, path: string, depth: number): Promise<void> => {
    if (depth > DEEPEST || found.size > MOST_ENTRIES) throw new DiskError('there are too many files, or too deep ones')
    found.set(path, { kind: node.kind, version: node.version })
    if (node.kind !== 'folder') return
    for (const [name, entry] of await disk.entries(node)) {
      const inside = join(path, name)
      if (!stops.has(inside)) await look(entry, inside, depth + 1)
    }
  }
  for (const { target } of places) {
    const node = await nodeAt(disk, target)
    if (node !== undefined) await look(node, target, 0)
  }
  return found
}

/** undefined: the guest has removed it, or something on the way to it. */
export async function nodeAt(disk: DiskReader, path: string): Promise<DiskNode | undefined> {
  let node: DiskNode | undefined = await disk.root()
  for (const name of path.split('/').filter(Boolean)) {
    if (node?.kind !== 'folder') return undefined
    node = (await disk.entries(node)).get(name)
  }
  return node
}
