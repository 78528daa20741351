import { DiskError } from './disk-error.ts'

/** A name and the number of what it leads to. */
export interface DirectoryEntry {
  readonly name: string
  readonly inode: number
}

/** ext4's linear format, which its hashed folders can be read in as well: their index looks like unused entries. */
export function* directoryEntries(piece: Buffer, blockSize: number): Generator<DirectoryEntry> {
  for (let start = 0; start < piece.length; start += blockSize) {
    yield* blockEntries(piece.subarray(start, start + blockSize))
  }
}

function* blockEntries(block: Buffer): Generator<DirectoryEntry> {
  for (let offset = 0; offset + 8 <= block.length;) {
    const inode = block.readUInt32LE(offset)
    const length = block.readUInt16LE(offset + 4)
    const nameLength = block.readUInt8(offset + 6)
    if (length < 8 || length % 4 !== 0 || offset + length > block.length || nameLength + 8 > length)
      throw new DiskError('a folder is malformed')
    const name = block.subarray(offset + 8, offset + 8 + nameLength)
    offset += length
    if (inode !== 0 && nameLength > 0 && !DOTS.includes(name.toString('latin1'))) yield { name: nameOf(name), inode }
  }
}

const DOTS = ['.', '..']

/** No kernel makes such names; whoever writes to the disk itself does. */
function nameOf(bytes: Buffer): string {
  const name = bytes.toString('utf8')
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new DiskError('a name reaches out of its folder')
  if (!Buffer.from(name).equals(bytes)) throw new DiskError('a name is not in UTF-8')
  return name
}
