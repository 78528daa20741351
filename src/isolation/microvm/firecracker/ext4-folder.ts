import { isUtf8 } from 'node:buffer'
import { DiskError } from './disk-error.ts'

/** A name and the number of what it leads to. */
export interface DirectoryEntry {
  /** As it is meant for people when it is not in UTF-8. */
  readonly name: string
  /** Linux takes all bytes but two for a name: any process in a guest can make one that is no text. */
  readonly isUtf8: boolean
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
    if (inode !== 0 && nameLength > 0 && !DOTS.includes(name.toString('latin1'))) yield { ...nameOf(name), inode }
  }
}

const DOTS = ['.', '..']

function nameOf(bytes: Buffer): Pick<DirectoryEntry, 'name' | 'isUtf8'> {
  // No kernel makes such names; whoever writes to the disk itself does.
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new DiskError('a name reaches out of its folder')
  return { name: readableName(bytes), isUtf8: isUtf8(bytes) }
}

/** What is not in UTF-8 is shown byte by byte, as in `caf\xe9`. */
export function readableName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  return bytes
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
