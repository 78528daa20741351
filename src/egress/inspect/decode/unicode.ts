import { isAscii, isUtf8 } from 'node:buffer'
import { TEXT_BYTES } from './byte-class.ts'
import { Pace, type Steps } from '../steps.ts'
import { TextSink } from './text-sink.ts'

/** Characters that are not seen: zero-width, joiners, directions, variation selectors, fillers, soft hyphens (UAX 44). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu

/** Tag characters: a copy of ASCII that is not seen at all. */
const TAGS = /[\u{e0000}-\u{e007f}]/gu

/** First bytes in UTF-8 of what has a fold, so that curly quotes, accents, Han and emoji are passed over quickly. */
const LEADS = Uint8Array.from({ length: 256 }, (_, byte) =>
  [0xc2, 0xc5, 0xca, 0xcd, 0xd8, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, 0xf3].includes(byte) ? 1 : 0,
)

/**
 * UTF-8 with invisible characters removed and every other way to write ASCII (full-width, mathematical, circled,
 * superscript …) written as ASCII, by Unicode's NFKC. Undefined when there is nothing of the kind.
 */
export function* foldedText(bytes: Buffer): Steps<Buffer | undefined> {
  if (isAscii(bytes) || !(yield* hasFoldable(bytes)) || !isUtf8(bytes)) return undefined
  yield bytes.length
  const folded = bytes
    .toString()
    .replace(TAGS, (tag) => String.fromCharCode((tag.codePointAt(0) as number) - 0xe0000))
    .replace(INVISIBLE, '')
    .normalize('NFKC')
  return Buffer.from(folded)
}

/** Whether a character is one that folding removes or turns into ASCII. */
export function isFoldable(code: number): boolean {
  if (code < 0xaa || (code >= 0xd800 && code <= 0xdfff)) return false
  const character = String.fromCodePoint(code)
  if (character.search(INVISIBLE) === 0 || character.search(TAGS) === 0) return true
  return LEADS[Buffer.from(character)[0] as number] === 1 && /^[!-~]+$/.test(character.normalize('NFKC'))
}

function* hasFoldable(bytes: Buffer): Steps<boolean> {
  const pace = new Pace()
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    if (byte < 0xc2 || LEADS[byte] === 0) continue
    if (pace.isDue(at)) yield pace.take(at)
    const code = codePointAt(bytes, at, byte)
    if (isJoiner(code) ? (bytes[at - 1] ?? 0xff) < 0x80 : !isOrdinary(code) && isFoldable(code)) return true
  }
  return false
}

/** What emoji are joined and coloured with; behind ASCII it has no business. */
function isJoiner(code: number): boolean {
  return code === 0xfe0f || code === 0x200d
}

/** Dashes, curly quotes, bullets, ellipses, Vietnamese, Greek, kana, emoji: what text is full of. */
function isOrdinary(code: number): boolean {
  return (
    (code >= 0x2010 && code <= 0x2029) ||
    (code >= 0x1e00 && code <= 0x1fff) ||
    (code >= 0x3000 && code <= 0x33ff) ||
    (code >= 0x1f300 && code <= 0x1faff)
  )
}

function codePointAt(bytes: Buffer, at: number, lead: number): number {
  const second = (bytes[at + 1] ?? 0) & 0x3f
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | second
  const third = (bytes[at + 2] ?? 0) & 0x3f
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | (second << 6) | third
  return Math.min(0x10ffff, ((lead & 0x07) << 18) | (second << 12) | (third << 6) | ((bytes[at + 3] ?? 0) & 0x3f))
}

/**
 * ASCII in characters of two or four bytes, without a declaration: stretches of text and NUL, at least a quarter of it
 * NUL. Undefined when there is none.
 */
export function* wideText(bytes: Buffer): Steps<Buffer | undefined> {
  const firstNul = bytes.indexOf(0)
  if (firstNul === -1) return undefined
  const sink = new TextSink()
  const pace = new Pace(firstNul)
  for (let start = Math.max(0, firstNul - 1); start < bytes.length;) {
    let nuls = 0
    let end = start
    for (; end < bytes.length; end += 1) {
      const byte = bytes[end] as number
      if (byte === 0) nuls += 1
      else if (TEXT_BYTES[byte] === 0) break
    }
    if (end - start >= LEAST_WIDE && nuls * 4 >= end - start) {
      for (let at = start; at < end; at += 1) if (bytes[at] !== 0) sink.push(bytes[at] as number)
      sink.finish()
    }
    if (pace.isDue(end)) yield pace.take(end)
    start = end + 1
  }
  return sink.take()
}

const LEAST_WIDE = 32

/** The text of a body in the charset of its mark or its media type, as UTF-8; undefined when that is how it stands. */
export function decodedCharset(
  bytes: Buffer,
  contentType: string,
): { readonly charset: string; readonly bytes: Buffer } | undefined {
  const charset = markedCharset(bytes) ?? declaredCharset(contentType)
  if (charset === undefined || AS_IS.has(charset)) return undefined
  if (charset.startsWith('utf-32')) return { charset, bytes: fromUtf32(bytes, charset.endsWith('be')) }
  try {
    return { charset, bytes: Buffer.from(new TextDecoder(charset).decode(bytes)) }
  } catch {
    return undefined // A charset that nobody knows: the bytes are all there is to look at.
  }
}

/** Supersets of ASCII, which the bytes themselves show. */
const AS_IS: ReadonlySet<string> = new Set([
  'utf-8',
  'utf8',
  'us-ascii',
  'ascii',
  'iso-8859-1',
  'latin1',
  'windows-1252',
])

function markedCharset(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes[2] === 0 && bytes[3] === 0 ? 'utf-32le' : 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 0xfe && bytes[3] === 0xff ? 'utf-32be' : undefined
}

function declaredCharset(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s";,]{1,40})/i.exec(contentType)?.[1]?.toLowerCase()
}

function fromUtf32(bytes: Buffer, isBigEndian: boolean): Buffer {
  const parts: string[] = []
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
    parts.push(code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? '?' : String.fromCodePoint(code))
  }
  return Buffer.from(parts.join(''))
}
