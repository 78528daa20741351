import type { Dialect } from './dialect.ts'
import type { NeedleIndex } from './needle-index.ts'

/** Bytes with their escapes resolved, and the way back to where each of them stood. */
export interface DecodedView {
  readonly bytes: Buffer
  /** Offset in the original of the decoded byte `offset`. Cheap when asked in ascending order. */
  sourceOffset(offset: number): number
}

/** The bytes that matter to a search, 1 each: escapes that give any other are left as they are. */
export type Alphabet = Uint8Array

export function alphabetOf({ needles }: Pick<NeedleIndex, 'needles'>): Alphabet {
  const alphabet = new Uint8Array(256)
  for (const needle of needles) for (const byte of needle) alphabet[byte] = 1
  return alphabet
}

/**
 * What a reader of this dialect would see, as far as it could be of this alphabet. Undefined when there is no such
 * escape: the bytes then are their own view.
 */
export function decodedView(bytes: Buffer, dialect: Dialect, alphabet: Alphabet): DecodedView | undefined {
  if (dialect === 'raw') return undefined
  const grammar = dialect === 'percent' ? PERCENT : JSON_STRING
  const first = firstEscape(bytes, grammar, alphabet)
  if (first === -1) return undefined
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = bytes.copy(decoded, 0, 0, first)
  for (let at = first; at < bytes.length;) {
    const unit = bytes[at] === grammar.mark ? grammar.read(bytes, at, alphabet) : ITSELF
    const span = unit >>> 8
    if (isEscape(unit)) decoded[length++] = unit & 0xff
    else for (let i = 0; i < span; i += 1) decoded[length++] = bytes[at + i] as number
    at += span
  }
  return { bytes: decoded.subarray(0, length), sourceOffset: sourceOffsets(bytes, grammar, { alphabet, first }) }
}

/**
 * `read` is asked at a mark. It gives the number of bytes that belong together there (never past the end), times 256,
 * plus the byte they stand for; 0 in its place when they stand for themselves. One number, because it is asked often.
 */
interface Grammar {
  readonly mark: number
  read(bytes: Buffer, at: number, alphabet: Alphabet): number
  /** Whether there can be none at all; a quick look at bytes that may be megabytes. */
  isWithout?(bytes: Buffer, alphabet: Alphabet): boolean
}

const ITSELF = 1 << 8

function isEscape(unit: number): boolean {
  return (unit & 0xff) !== 0
}

const PERCENT: Grammar = {
  mark: 0x25,
  read(bytes, at, alphabet) {
    const byte = hexByte(bytes, at + 1)
    return byte > 0 && alphabet[byte] === 1 ? (3 << 8) | byte : ITSELF
  },
}

/** RFC 8259 section 7. An escaped backslash is one character: in `\\u0061` there is no `a`. */
const JSON_STRING: Grammar = {
  mark: 0x5c,
  read(bytes, at, alphabet) {
    const letter = bytes[at + 1]
    if (letter === undefined) return ITSELF
    if (letter === 0x22 || letter === 0x2f || letter === 0x5c) return (2 << 8) | (alphabet[letter] === 1 ? letter : 0)
    if (letter !== 0x75 || bytes[at + 2] !== 0x30 || bytes[at + 3] !== 0x30) return 2 << 8
    const byte = hexByte(bytes, at + 4)
    // Above are characters of two bytes.
    return byte > 0 && byte < 0x80 && alphabet[byte] === 1 ? (6 << 8) | byte : 2 << 8
  },
  // Ordinary JSON is full of `\n` and `\"`, which hide nothing from a search for what has no quote in it.
  isWithout(bytes, alphabet) {
    return alphabet[0x22] === 0 && alphabet[0x2f] === 0 && alphabet[0x5c] === 0 && !bytes.includes('\\u00')
  },
}

function firstEscape(bytes: Buffer, grammar: Grammar, alphabet: Alphabet): number {
  const first = grammar.isWithout?.(bytes, alphabet) === true ? -1 : bytes.indexOf(grammar.mark)
  if (first === -1) return -1
  for (let at = first; at < bytes.length;) {
    if (bytes[at] !== grammar.mark) {
      at += 1
      continue
    }
    const unit = grammar.read(bytes, at, alphabet)
    if (isEscape(unit)) return at
    at += unit >>> 8
  }
  return -1
}

/** Walks the original again, from where the last question left off. `first` is the first escape. */
function sourceOffsets(
  bytes: Buffer,
  grammar: Grammar,
  { alphabet, first }: { readonly alphabet: Alphabet; readonly first: number },
): (offset: number) => number {
  let source = 0
  let decoded = 0
  return (offset) => {
    if (offset <= first) return offset
    if (offset < decoded || decoded < first) source = decoded = first
    while (decoded < offset) {
      const unit = bytes[source] === grammar.mark ? grammar.read(bytes, source, alphabet) : ITSELF
      source += unit >>> 8
      decoded += isEscape(unit) ? 1 : unit >>> 8
    }
    // Inside a run that stands for itself, such as the `n` of `\n`.
    return source - (decoded - offset)
  }
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
