import { DiskError } from './disk-error.ts'

/** A run of a file's blocks on the disk. */
export interface Extent {
  /** First block in the file, and where it lies on the disk. */
  readonly logical: number
  readonly physical: number
  readonly length: number
  /** False: reserved only, and read as zeros. */
  readonly isWritten: boolean
}

const MAGIC = 0xf30a
const ENTRY = 12
/** ext4 has no deeper ones. */
const DEEPEST = 5
/** 16 GiB in runs of one block would be 4 million. */
const MOST_EXTENTS = 1 << 20
const MOST_NODES = 1 << 14
/** A length above is that of a reserved run. */
const LONGEST = 32_768

/**
 * The extents of a file, in order, from the root of their tree; `block` reads one of the disk's. Throws DiskError where
 * they are out of order or overlap, so that no tree, however it is knotted, is read for ever.
 */
export async function readExtents(
  root: Buffer,
  block: (number: number) => Promise<Buffer>,
): Promise<readonly Extent[]> {
  const found: Extent[] = []
  const { depth } = headerOf(root)
  if (depth > DEEPEST) throw new DiskError('a tree of extents is too deep')
  await collect(root, depth, { found, block, visited: 0 })
  return found
}

interface Collection {
  readonly found: Extent[]
  readonly block: (number: number) => Promise<Buffer>
  visited: number
}

async function collect(node: Buffer, expected: number, collection: Collection): Promise<void> {
  const { count, depth } = headerOf(node)
  if (depth !== expected || ++collection.visited > MOST_NODES) throw new DiskError('a tree of extents is knotted')
  for (let index = 1; index <= count; index++) {
    const entry = node.subarray(ENTRY * index, ENTRY * (index + 1))
    if (depth === 0) append(collection.found, entry)
    else {
      const leaf = entry.readUInt32LE(4) + entry.readUInt16LE(8) * 2 ** 32
      await collect(await collection.block(leaf), depth - 1, collection)
    }
  }
}

function headerOf(node: Buffer): { readonly count: number; readonly depth: number } {
  if (node.readUInt16LE(0) !== MAGIC) throw new DiskError('a tree of extents is malformed')
  const [count, depth] = [node.readUInt16LE(2), node.readUInt16LE(6)]
  if (ENTRY * (count + 1) > node.length) throw new DiskError('a tree of extents is malformed')
  return { count, depth }
}

function append(found: Extent[], entry: Buffer): void {
  const raw = entry.readUInt16LE(4)
  const length = raw > LONGEST ? raw - LONGEST : raw
  const last = found.at(-1)
  const logical = entry.readUInt32LE(0)
  if (length === 0 || (last !== undefined && logical < last.logical + last.length))
    throw new DiskError('extents overlap')
  if (found.length >= MOST_EXTENTS) throw new DiskError('a file has too many extents')
  const physical = entry.readUInt16LE(6) * 2 ** 32 + entry.readUInt32LE(8)
  found.push({ logical, physical, length, isWritten: raw <= LONGEST })
}
