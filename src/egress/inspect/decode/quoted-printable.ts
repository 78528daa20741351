import { hexByteAt, TEXT_BYTES } from './byte-class.ts'

const EQUALS = 0x3d
const CR = 0x0d
const LF = 0x0a

/** So many escapes in a row are no chance: `a=1f&b=2e` of a form has one at a time. */
const LEAST_ROW = 3

/** RFC 2045: at most 76 characters, the break included; they break in words and do not always fill them. */
const LONGEST_LINE = 76
const SHORTEST_FULL = 57

/**
 * The bytes with quoted-printable undone (RFC 2045 section 6.7), where they say that they are in it, break lines with it,
 * or have a row of its escapes. Undefined when they do not.
 */
export function fromQuotedPrintable(bytes: Buffer): Buffer | undefined {
  const first = bytes.indexOf(EQUALS)
  if (first === -1 || !isLikely(bytes, first)) return undefined
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let at = 0
  while (at < bytes.length) {
    const byte = bytes[at] as number
    const escaped = byte === EQUALS ? hexByteAt(bytes, at + 1) : -1
    const skipped = byte === EQUALS && escaped === -1 ? lineEnd(bytes, at + 1) : 0
    if (skipped === 0) decoded[length++] = escaped === -1 ? byte : escaped
    at += escaped === -1 ? 1 + skipped : 3
  }
  return length === bytes.length ? undefined : decoded.subarray(0, length)
}

const DECLARED = ['uoted-printable', 'uoted-Printable', 'UOTED-PRINTABLE'] as const
/** What stands between charset and text of an encoded word (RFC 2047 section 2). */
const ENCODED = ['?Q?', '?q?'] as const
const LONGEST_WORD = 75

/** Three bytes are in every picture; with a charset before them they are not. */
function hasEncodedWord(bytes: Buffer): boolean {
  return ENCODED.some((mark) => {
    for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) {
      if (/=\?[\w.:-]{1,60}$/.test(bytes.toString('latin1', Math.max(0, at - LONGEST_WORD), at))) return true
    }
    return false
  })
}

function isLikely(bytes: Buffer, first: number): boolean {
  if (DECLARED.some((text) => bytes.includes(text)) || hasEncodedWord(bytes)) return true
  for (let at = first; at !== -1; at = bytes.indexOf(EQUALS, at + 1)) {
    if (isSoftBreak(bytes, at)) return true
    if (hexByteAt(bytes, at + 1) !== -1 && isRow(bytes, at)) return true
  }
  return false
}

/** Encoders break lines when they are full: `name =` of a program and `NAME=` of a file of settings are shorter. */
function isSoftBreak(bytes: Buffer, at: number): boolean {
  if (lineEnd(bytes, at + 1) === 0) return false
  const lineStart = bytes.lastIndexOf(LF, at) + 1
  const length = at - lineStart
  if (length < SHORTEST_FULL || length > LONGEST_LINE || (bytes[at - 1] as number) <= 0x20) return false
  // Nothing else is left in it: pictures and packs hold such an end by chance.
  return bytes.subarray(lineStart, at).every((byte) => TEXT_BYTES[byte] === 1)
}

function isRow(bytes: Buffer, start: number): boolean {
  for (let count = 0; count < LEAST_ROW; count += 1) {
    const at = start + count * 3
    if (bytes[at] !== EQUALS || hexByteAt(bytes, at + 1) === -1) return false
  }
  return true
}

/** How long the line end at `at` is; 0 for none. */
function lineEnd(bytes: Buffer, at: number): number {
  if (bytes[at] === LF) return 1
  return bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0
}
