import type { BigIntStats } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CageError } from '../../../errors.ts'
import { isErrno } from '../../../system/files.ts'
import { DiskLimitError } from './disk-error.ts'
import { readableName } from './ext4-folder.ts'
import { printable } from '../../../system/printable.ts'
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
/** Folders in folders of a place. */
export const DEEPEST = 200

/**
 * Looks at places of the host's, following no link. Paths in `stops` and what is in them are another's. Throws
 * `workload_failed` for what a disk cannot hold, or would not be taken over from it.
 */
export async function rememberHost(
  places: readonly Place[],
  stops: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const look = async (source: string, target: string, depth: number): Promise<void> => {
    if (depth > DEEPEST) throw notCopied(source, `lies more than ${DEEPEST} folders deep`)
    if (found.size >= MOST_ENTRIES) throw notCopied(source, `is one of more than ${MOST_ENTRIES} files`)
    const stats = await readable(source, statOf(source))
    if (stats === undefined) return
    found.set(target, fingerprint(stats))
    if (!stats.isDirectory()) return
    for (const name of await namesIn(source)) {
      const path = join(target, name)
      if (!stops.has(path)) await look(join(source, name), path, depth + 1)
    }
  }
  for (const { source, target } of places) await look(source, target, 0)
  return found
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const names = await readable(folder, readdir(folder, { encoding: 'buffer' }))
  const other = names.find((name) => !isUtf8(name))
  if (other !== undefined) throw notCopied(join(folder, readableName(other)), 'has a name that is not in UTF-8')
  return names.map((name) => name.toString('utf8'))
}

async function readable<T>(path: string, found: Promise<T>): Promise<T> {
  try {
    return await found
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw notCopied(path, `cannot be read (${String(error.code)})`)
    throw error
  }
}

function notCopied(path: string, reason: string): CageError {
  return new CageError('workload_failed', `a disk of Firecracker's cannot hold ${printable(path)}: it ${reason}`, {
    hint: 'Rename, move or remove it, or make it readable; or use microvm.vmm: qemu, which copies nothing.',
  })
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
    if (depth > DEEPEST || found.size > MOST_ENTRIES)
      throw new DiskLimitError('there are too many files, or too deep ones')
    found.set(path, { kind: node.kind, version: node.version })
    if (node.kind !== 'folder') return
    for (const [name, entry] of (await disk.entries(node)).entries) {
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
    node = (await disk.entries(node)).entries.get(name)
  }
  return node
}

/** Names in folders, by the folders' paths. */
export function namesByFolder(paths: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  for (const path of paths) {
    const slash = path.lastIndexOf('/')
    const folder = slash === 0 ? '/' : path.slice(0, slash)
    const inside = names.get(folder) ?? []
    inside.push(path.slice(slash + 1))
    names.set(folder, inside)
  }
  return names
}
