/** How the kernel inside a boot image is packed; `none`: it is the kernel itself, an ELF file. */
export type Packing = 'none' | 'gzip' | 'zstd' | 'xz' | 'lz4' | 'unknown'

/** A kernel as distributions install it. */
export interface BootImage {
  /** As `uname -r` will say; undefined in an ELF file, which does not tell. */
  readonly release: string | undefined
  readonly packing: Packing
  /** Where the packed kernel lies in the file. */
  readonly start: number
  readonly end: number
}

/** Offsets in the x86 boot protocol's header (Documentation/arch/x86/boot.rst). */
const SETUP_SECTORS = 0x1f1
const MAGIC = 0x202
const VERSION = 0x206
const RELEASE_POINTER = 0x20e
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c
const HEADER_END = 0x250

const PACKINGS: readonly (readonly [Packing, string])[] = [
  ['gzip', '1f8b'],
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
  ['lz4', '02214c18'],
  ['none', '7f454c46'],
]

/** Reads the header of a kernel. undefined: the bytes are neither an x86 boot image nor an ELF file. */
export function readBootImage(file: Buffer): BootImage | undefined {
  if (packingAt(file, 0) === 'none') return { release: undefined, packing: 'none', start: 0, end: file.length }
  if (file.length < HEADER_END || file.toString('latin1', MAGIC, MAGIC + 4) !== 'HdrS') return undefined
  // Before 2.08 the header does not tell where the payload is: such a kernel is from 2007.
  if (file.readUInt16LE(VERSION) < 0x208) return undefined
  const start = ((file[SETUP_SECTORS] || 4) + 1) * 512 + file.readUInt32LE(PAYLOAD_OFFSET)
  const end = start + file.readUInt32LE(PAYLOAD_LENGTH)
  if (end > file.length || start >= end) return undefined
  return { release: releaseOf(file), packing: packingAt(file, start), start, end }
}

function packingAt(file: Buffer, offset: number): Packing {
  const first = file.toString('hex', offset, offset + 6)
  return PACKINGS.find(([, magic]) => first.startsWith(magic))?.[0] ?? 'unknown'
}

/** `6.1.0-56-amd64 (debian-kernel@…) #1 SMP …`, up to NUL; the pointer does not count the first 512 bytes. */
function releaseOf(file: Buffer): string | undefined {
  const pointer = file.readUInt16LE(RELEASE_POINTER)
  if (pointer === 0) return undefined
  const text = file.toString('latin1', pointer + 0x200, pointer + 0x200 + 256)
  return /^([A-Za-z0-9][A-Za-z0-9._+~-]{0,127})[ \0]/.exec(text)?.[1]
}
