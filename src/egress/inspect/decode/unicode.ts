import { isAscii, isUtf8 } from 'node:buffer'
import { Pace, STEP_BYTES, type Steps } from '../steps.ts'
import { TEXT_BYTES } from './byte-class.ts'
import { FOLDABLE_LEADS, isFoldable } from './foldable.ts'
import { TextSink } from './text-sink.ts'

/** Characters that are not seen: zero-width, joiners, directions, variation selectors, fillers, soft hyphens (UAX 44). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu

/** Tag characters: a copy of ASCII that is not seen at all. */
const TAGS = /[\u{e0020}-\u{e007e}]/gu

/**
 * UTF-8 with invisible characters removed and every other way to write ASCII (full-width, mathematical, circled,
 * superscript …) written as ASCII, by Unicode's NFKC. Of what is not all UTF-8, such as a form with a picture, the
 * stretches of text in which there is something of the kind. Undefined when there is nothing.
 */
export function* foldedText(bytes: Buffer): Steps<Buffer | undefined> {
  if (isAscii(bytes)) return undefined
  const first = yield* nextFoldable(bytes, 0)
  if (first === -1) return undefined
  yield bytes.length
  if (isUtf8(bytes)) return folded(bytes)
  const text = yield* foldableStretches(bytes, first)
  return text.length === 0 ? undefined : folded(text)
}

function folded(bytes: Buffer): Buffer {
  const text = bytes
    .toString()
    .replace(TAGS, (tag) => String.fromCharCode((tag.codePointAt(0) as number) - 0xe0000))
    .replace(INVISIBLE, '')
    .normalize('NFKC')
  return Buffer.from(text)
}

/** Where the next character stands that is to be folded; -1 when there is none. */
function* nextFoldable(bytes: Buffer, from: number): Steps<number> {
  const pace = new Pace(from)
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    if (byte < 0xc2 || FOLDABLE_LEADS[byte] === 0) continue
    if (pace.isDue(at)) yield pace.take(at)
    const code = codePointAt(bytes, at)
    if (isJoiner(code) ? (bytes[at - 1] ?? 0xff) < 0x80 : isFoldable(code)) return at
  }
  return -1
}

/** What emoji are joined and coloured with; behind ASCII it has no business. */
function isJoiner(code: number): boolean {
  return code === 0xfe0f || code === 0x200d
}

/** Stretches of text in UTF-8 that hold something to fold, one behind another; shorter than any credential is chance. */
function* foldableStretches(bytes: Buffer, first: number): Steps<Buffer> {
  const text = Buffer.allocUnsafe(bytes.length + 1)
  let length = 0
  let from = 0
  let looked = 0
  for (let at = first; at !== -1; at = yield* nextFoldable(bytes, from)) {
    const start = startOfText(bytes, at, from)
    const end = endOfText(bytes, at)
    if (end - start >= LEAST_STRETCH) {
      length += bytes.copy(text, length, start, end)
      text[length++] = 0
    }
    looked += end - from
    from = end
    if (looked < STEP_BYTES) continue
    yield looked
    looked = 0
  }
  return text.subarray(0, length)
}

const LEAST_STRETCH = 16

/** Not before `from`, where another stretch ended. */
function startOfText(bytes: Buffer, at: number, from: number): number {
  let start = at
  while (start > from) {
    let before = start - 1
    while (before > from && start - before < 4 && ((bytes[before] as number) & 0xc0) === 0x80) before -= 1
    if (textLength(bytes, before) !== start - before) break
    start = before
  }
  return start
}

function endOfText(bytes: Buffer, at: number): number {
  let end = at
  for (let length = textLength(bytes, end); length > 0; length = textLength(bytes, end)) end += length
  return end
}

/** Bytes of the character at `at`; 0 for what is no text. */
function textLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0
  if (lead < 0x80) return TEXT_BYTES[lead] as number
  return codePointAt(bytes, at) === -1 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}

/** A character of two bytes or more; -1 when there is none. */
function codePointAt(bytes: Buffer, at: number): number {
  const lead = bytes[at] as number
  const second = (bytes[at + 1] ?? 0) ^ 0x80
  if (second > 0x3f || lead < 0xc2) return -1
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | second
  const third = (bytes[at + 2] ?? 0) ^ 0x80
  if (third > 0x3f) return -1
  if (lead < 0xf0) {
    const code = ((lead & 0x0f) << 12) | (second << 6) | third
    return code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? -1 : code
  }
  const fourth = (bytes[at + 3] ?? 0) ^ 0x80
  const code = ((lead & 0x07) << 18) | (second << 12) | (third << 6) | fourth
  return lead > 0xf4 || fourth > 0x3f || code < 0x10000 || code > 0x10ffff ? -1 : code
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

/** The text of a body in one charset, as UTF-8; none where nobody knows the charset. */
export interface Recoded {
  readonly charset: string
  readonly bytes: Buffer | undefined
}

/**
 * A body in the charset of its mark and in each that its media type names: receivers differ in which of several counts.
 * Without those in which it is as it stands.
 */
export function recoded(bytes: Buffer, contentType: string): readonly Recoded[] {
  const marked = markedCharset(bytes)
  const charsets = new Set([...(marked === undefined ? [] : [marked]), ...declaredCharsets(contentType)])
  return [...charsets]
    .filter((charset) => !AS_IS.has(charset))
    .slice(0, MOST_CHARSETS)
    .map((charset) => ({ charset, bytes: inCharset(bytes, charset) }))
}

const MOST_CHARSETS = 4

function inCharset(bytes: Buffer, charset: string): Buffer | undefined {
  if (charset.startsWith('utf-32')) return fromUtf32(bytes, charset.endsWith('be'))
  try {
    return Buffer.from(new TextDecoder(charset).decode(bytes))
  } catch {
    return undefined
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
  'binary',
  'windows-1252',
])

function markedCharset(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes[2] === 0 && bytes[3] === 0 ? 'utf-32le' : 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 0xfe && bytes[3] === 0xff ? 'utf-32be' : undefined
}

function declaredCharsets(contentType: string): readonly string[] {
  if (!contentType.includes(';')) return []
  const found = contentType.slice(0, LONGEST_TYPE).matchAll(/;\s*charset\s*=\s*["']?([^\s"';,]{1,40})/gi)
  return Array.from(found, ([, name = '']) => name.toLowerCase())
}

const LONGEST_TYPE = 4096

function fromUtf32(bytes: Buffer, isBigEndian: boolean): Buffer {
  const parts: string[] = []
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
    parts.push(code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? '?' : String.fromCodePoint(code))
  }
  return Buffer.from(parts.join(''))
}
