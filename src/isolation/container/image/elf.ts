/** What of a program's header says how it starts. */
export interface Elf {
  /** The loader that brings in its libraries; undefined for a program that is linked statically. */
  readonly interpreter: string | undefined
}

const PT_INTERP = 3
/** More than any linker writes. */
const MOST_HEADERS = 256
const LONGEST_PATH = 4096

/** Bytes from the start of a file that are enough to read it. */
export const ELF_BYTES = 65_536

/**
 * Reads the program headers of a 64-bit little-endian ELF file (System V ABI, chapter 5). Undefined for anything else, and
 * for one whose headers are not where linkers put them, at the start.
 */
export function readElf(bytes: Buffer): Elf | undefined {
  const isElf64 = bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1
  if (!isElf64) return undefined
  const table = bytes.readBigUInt64LE(32)
  const size = bytes.readUInt16LE(54)
  const count = bytes.readUInt16LE(56)
  if (size < 56 || count > MOST_HEADERS || table + BigInt(size * count) > BigInt(bytes.length)) return undefined
  for (let index = 0; index < count; index++) {
    const at = Number(table) + index * size
    if (bytes.readUInt32LE(at) === PT_INTERP) return withInterpreter(bytes, at)
  }
  return { interpreter: undefined }
}

function withInterpreter(bytes: Buffer, at: number): Elf | undefined {
  const from = bytes.readBigUInt64LE(at + 8)
  const length = bytes.readBigUInt64LE(at + 32)
  if (length < 2n || length > LONGEST_PATH || from + length > BigInt(bytes.length)) return undefined
  const text = bytes.subarray(Number(from), Number(from + length)).toString('latin1')
  return /^\/[\x21-\x7e]+\0$/.test(text) ? { interpreter: text.slice(0, -1) } : undefined
}
