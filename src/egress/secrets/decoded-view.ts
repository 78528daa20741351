import type { Dialect } from './dialect.ts'

/** Bytes with their escapes resolved, and the way back to where each of them stood. */
export interface DecodedView {
  readonly bytes: Buffer
  /** Offset in the original of the decoded byte `offset`. Cheap when asked in ascending order. */
  sourceOffset(offset: number): number
}

/**
 * What a reader of this dialect would see. Only escapes that give printable ASCII are resolved, since placeholders hold
 * nothing else. Undefined when there is no such escape: the bytes then are their own view.
 */
export function decodedView(bytes: Buffer, dialect: Dialect): DecodedView | undefined {
  const grammar = dialect === 'percent' ? PERCENT : dialect === 'json' ? JSON_STRING : undefined
  const first = grammar === undefined ? -1 : bytes.indexOf(grammar.mark)
  if (grammar === undefined || first === -1) return undefined
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = bytes.copy(decoded, 0, 0, first)
  for (let at = first; at < bytes.length;) {
    const escape = grammar.read(bytes, at)
    const byte = escape & 0xff
    const span = escape >>> 8
    if (byte !== 0) decoded[length++] = byte
    else for (let i = 0; i < span; i += 1) decoded[length++] = bytes[at + i] as number
    at += span
  }
  if (length === bytes.length) return undefined
  return { bytes: decoded.subarray(0, length), sourceOffset: sourceOffsets(bytes, grammar, first) }
}

/**
 * `read` gives the number of bytes at `at` that belong together (never past the end), times 256, plus the byte they
 * stand for; 0 in its place when they stand for themselves. One number, because it is asked for each byte.
 */
interface Grammar {
  readonly mark: number
  read(bytes: Buffer, at: number): number
}

const ITSELF = 1 << 8

const PERCENT: Grammar = {
  mark: 0x25,
  read(bytes, at) {
    if (bytes[at] !== 0x25) return ITSELF
    const byte = hexByte(bytes, at + 1)
    return isPrintable(byte) ? (3 << 8) | byte : ITSELF
  },
}

/** RFC 8259 section 7. An escaped backslash is one character: in `\\u0061` there is no `a`. */
const JSON_STRING: Grammar = {
  mark: 0x5c,
  read(bytes, at) {
    const letter = bytes[at + 1]
    if (bytes[at] !== 0x5c || letter === undefined) return ITSELF
    if (letter === 0x22 || letter === 0x2f || letter === 0x5c) return (2 << 8) | letter
    if (letter !== 0x75 || bytes[at + 2] !== 0x30 || bytes[at + 3] !== 0x30) return 2 << 8
    const byte = hexByte(bytes, at + 4)
    return isPrintable(byte) ? (6 << 8) | byte : 2 << 8
  },
}

/** Walks the original again, from where the last question left off. */
function sourceOffsets(bytes: Buffer, grammar: Grammar, first: number): (offset: number) => number {
  let source = first
  let decoded = first
  return (offset) => {
    if (offset < decoded) source = decoded = Math.min(first, offset)
    while (decoded < offset) {
      const escape = grammar.read(bytes, source)
      source += escape >>> 8
      decoded += (escape & 0xff) === 0 ? escape >>> 8 : 1
    }
    // Inside a run that stands for itself, such as the `n` of `\n`.
    return source - (decoded - offset)
  }
}

function isPrintable(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f
}

/** The byte that two hexadecimal digits give; -1 when there are none. */
function hexByte(bytes: Buffer, at: number): number {
  const high = hexDigit(bytes[at])
  const low = hexDigit(bytes[at + 1])
  return high === -1 || low === -1 ? -1 : high * 16 + low
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
