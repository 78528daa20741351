import { isUtf8 } from 'node:buffer'
import { open, type FileHandle } from 'node:fs/promises'
import { DiskError, DiskLimitError } from './disk-error.ts'
import { directoryEntries } from './ext4-folder.ts'
import { readExtents } from './ext4-extents.ts'

/** A file, folder or link on a disk. Numbers as the disk has them: whoever wrote to it may have chosen each. */
export interface DiskNode {
  readonly inode: number
  readonly kind: 'file' | 'folder' | 'symlink' | 'other'
  /** Permissions, with set-user-id, set-group-id and sticky bits. */
  readonly mode: number
  readonly size: number
  /** When its content was changed, in seconds since 1970. */
  readonly modified: number
  /** Differs when the content or anything else of it was changed. */
  readonly version: string
}

/** What is in a folder, without `.` and `..`. */
export interface FolderContent {
  readonly entries: ReadonlyMap<string, DiskNode>
  /** Other names, as they are shown to people. */
  readonly notUtf8: ReadonlySet<string>
}

interface DiskInode extends DiskNode {
  readonly flags: number
  readonly block: Buffer
}

const ROOT = 2
const SUPERBLOCK = 1024
const MAGIC = 0xef53
/** filetype, extents, 64bit, flex_bg, checksum seed. Others change what the rest means. */
const KNOWN_FEATURES = 0x2 | 0x40 | 0x80 | 0x200 | 0x2000
const NEEDED_FEATURES = 0x2 | 0x40
const EXTENTS_FLAG = 0x8_0000
const KINDS: Readonly<Record<number, DiskNode['kind']>> = { 0x8: 'file', 0x4: 'folder', 0xa: 'symlink' }
const INODE_BYTES = 256
const LONGEST_LINK = 4095
/** A folder of about a million names. */
const LARGEST_FOLDER = 64 << 20
/**
 * Blocks of folders and of trees of extents that are read in all. A disk may name one block in any number of places, so that
 * no bound of a single file bounds the whole.
 */
const MOST_BLOCKS = 1 << 20
/** A multiple of every size of a block. */
const PIECE = 1 << 20

interface Geometry {
  readonly blockSize: number
  readonly blocks: number
  readonly inodes: number
  readonly inodesPerGroup: number
  readonly inodeSize: number
  readonly descriptorSize: number
  readonly firstBlock: number
}

/**
 * Reads a disk of ext4 that a hostile guest had, as we made it: without a journal, files by extents. It follows nothing but
 * numbers that it has checked, writes nowhere, and needs no kernel to mount it. Throws DiskError for all that it does not
 * know, DiskLimitError for what it knows and does not read.
 */
export class DiskReader implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #geometry: Geometry
  #blocksRead = 0

  private constructor(file: FileHandle, geometry: Geometry) {
    this.#file = file
    this.#geometry = geometry
  }

  static async open(path: string): Promise<DiskReader> {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      const superblock = Buffer.alloc(1024)
      await file.read(superblock, 0, superblock.length, SUPERBLOCK)
      return new DiskReader(file, geometryOf(superblock, size))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async root(): Promise<DiskNode> {
    return this.#inode(ROOT)
  }

  async entries(folder: DiskNode): Promise<FolderContent> {
    const notUtf8 = new Set<string>()
    const found = new Map<string, DiskNode>()
    if (folder.size > LARGEST_FOLDER) throw new DiskLimitError('it has too many names')
    this.#count(Math.ceil(folder.size / this.#geometry.blockSize))
    for await (const piece of this.content(folder)) {
      for (const { name, inode, isUtf8: isText } of directoryEntries(piece, this.#geometry.blockSize)) {
        if (found.has(name) && isText) throw new DiskError('a folder has one name twice')
        if (isText) found.set(name, await this.#inode(inode))
        else notUtf8.add(name)
      }
    }
    return { entries: found, notUtf8 }
  }

  async linkTarget(link: DiskNode): Promise<string> {
    const { size, flags, block } = await this.#inode(link.inode)
    if (size > LONGEST_LINK || size === 0) throw new DiskError('a link has no target, or too long a one')
    const isInside = size < 60 && (flags & EXTENTS_FLAG) === 0
    const chunks: Buffer[] = isInside ? [block.subarray(0, size)] : []
    if (!isInside) for await (const chunk of this.content(link)) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    if (bytes.includes(0)) throw new DiskError('a link’s target is cut off')
    if (!isUtf8(bytes)) throw new DiskLimitError('it is a link to what is not in UTF-8')
    return bytes.toString('utf8')
  }

  /** In pieces, no more than its size in all; holes are zeros. */
  async *content(node: DiskNode): AsyncGenerator<Buffer> {
    const { blockSize } = this.#geometry
    const { size, flags, block } = await this.#inode(node.inode)
    if ((flags & EXTENTS_FLAG) === 0 && size > 0) throw new DiskError('a file is kept in an unknown way')
    const extents = size === 0 ? [] : await readExtents(block, (number) => this.#treeBlock(number))
    let offset = 0
    for (const { logical, physical, length, isWritten } of extents) {
      yield* zeros(Math.min(size, logical * blockSize) - offset)
      offset = Math.max(offset, Math.min(size, logical * blockSize))
      const end = Math.min(size, (logical + length) * blockSize)
      if (!isWritten) yield* zeros(end - offset)
      else yield* this.#run(physical, end - offset)
      offset = Math.max(offset, end)
    }
    yield* zeros(size - offset)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  async #inode(number: number): Promise<DiskInode> {
    const { inodes, inodesPerGroup, inodeSize, descriptorSize, blockSize, firstBlock } = this.#geometry
    if (number < 1 || number > inodes) throw new DiskError('a number leads to no file')
    const group = Math.floor((number - 1) / inodesPerGroup)
    const descriptor = await this.#read((firstBlock + 1) * blockSize + group * descriptorSize, descriptorSize)
    const table = descriptor.readUInt32LE(8) + (descriptorSize >= 64 ? descriptor.readUInt32LE(40) * 2 ** 32 : 0)
    const index = (number - 1) % inodesPerGroup
    return parseInode(number, await this.#read(table * blockSize + index * inodeSize, inodeSize))
  }

  #treeBlock(number: number): Promise<Buffer> {
    this.#count(1)
    return this.#blocks(number, 1)
  }

  #count(blocks: number): void {
    this.#blocksRead += blocks
    if (this.#blocksRead > MOST_BLOCKS) throw new DiskLimitError('the disk has too many folders and pieces of files')
  }

  async *#run(physical: number, bytes: number): AsyncGenerator<Buffer> {
    const { blockSize } = this.#geometry
    for (let done = 0; done < bytes; done += PIECE) {
      const length = Math.min(PIECE, bytes - done)
      const blocks = await this.#blocks(physical + done / blockSize, Math.ceil(length / blockSize))
      yield blocks.subarray(0, length)
    }
  }

  #blocks(number: number, count: number): Promise<Buffer> {
    const { blocks, blockSize } = this.#geometry
    if (number + count > blocks) throw new DiskError('a file lies outside of the disk')
    return this.#read(number * blockSize, count * blockSize)
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const { blocks, blockSize } = this.#geometry
    if (offset + length > blocks * blockSize) throw new DiskError('a part lies outside of the disk')
    const buffer = Buffer.alloc(length)
    const { bytesRead } = await this.#file.read(buffer, 0, length, offset)
    if (bytesRead !== length) throw new DiskError('the disk is cut off')
    return buffer
  }
}

function geometryOf(superblock: Buffer, size: number): Geometry {
  const incompatible = superblock.readUInt32LE(0x60)
  if (superblock.readUInt16LE(0x38) !== MAGIC) throw new DiskError('it is not a disk of ext4')
  if ((incompatible & ~KNOWN_FEATURES) !== 0 || (incompatible & NEEDED_FEATURES) !== NEEDED_FEATURES)
    throw new DiskError('it has features that it was not made with')
  const shift = superblock.readUInt32LE(0x18)
  const geometry: Geometry = {
    blockSize: shift <= 2 ? 1024 << shift : 0,
    blocks: superblock.readUInt32LE(0x04),
    inodes: superblock.readUInt32LE(0x00),
    inodesPerGroup: superblock.readUInt32LE(0x28),
    inodeSize: superblock.readUInt16LE(0x58),
    descriptorSize: (incompatible & 0x80) === 0 ? 32 : superblock.readUInt16LE(0xfe),
    firstBlock: superblock.readUInt32LE(0x14),
  }
  const { blockSize, blocks, inodesPerGroup, inodeSize, descriptorSize, firstBlock } = geometry
  const isSound =
    blockSize !== 0 &&
    blocks * blockSize <= size &&
    inodesPerGroup > 0 &&
    inodeSize === INODE_BYTES &&
    (descriptorSize === 32 || descriptorSize === 64) &&
    firstBlock === (blockSize === 1024 ? 1 : 0)
  if (!isSound) throw new DiskError('its measures cannot be')
  return geometry
}

function parseInode(inode: number, bytes: Buffer): DiskInode {
  const mode = bytes.readUInt16LE(0x00)
  const size = bytes.readUInt32LE(0x04) + bytes.readUInt32LE(0x6c) * 2 ** 32
  if (!Number.isSafeInteger(size)) throw new DiskError('a file is too large')
  const times = [0x0c, 0x10, 0x84, 0x88, 0x64].map((offset) => bytes.readUInt32LE(offset))
  return {
    inode,
    kind: KINDS[mode >> 12] ?? 'other',
    mode: mode & 0o7777,
    size,
    modified: bytes.readUInt32LE(0x10) + Math.min(bytes.readUInt32LE(0x88) >>> 2, 999_999_999) / 1e9,
    version: [inode, mode, size, ...times].join('.'),
    flags: bytes.readUInt32LE(0x20),
    block: bytes.subarray(0x28, 0x64),
  }
}

function* zeros(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= PIECE) yield Buffer.alloc(Math.min(PIECE, left))
}
