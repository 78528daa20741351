import { ALPHANUMERIC, byteClass, hexByteAt, HEX_VALUE, TEXT_BYTES } from './byte-class.ts'
import { Pace, type Steps } from '../steps.ts'
import { disguisedCode, LONGEST_NAME } from './entity-names.ts'
import { isFoldable } from './foldable.ts'

const PERCENT = 0x25
const AMPERSAND = 0x26
const BACKSLASH = 0x5c

/** Letters behind `&` in the entities for ASCII that a credential or a URL may hold (HTML, section 13.5). */
export const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    amp: '&',
    apos: "'",
    ast: '*',
    bsol: '\\',
    colon: ':',
    comma: ',',
    commat: '@',
    dash: '-',
    dollar: '$',
    equals: '=',
    excl: '!',
    gt: '>',
    hyphen: '-',
    lowbar: '_',
    lpar: '(',
    lt: '<',
    newline: '\n',
    num: '#',
    percnt: '%',
    period: '.',
    plus: '+',
    quest: '?',
    quot: '"',
    rpar: ')',
    semi: ';',
    sol: '/',
    tab: '\t',
    underbar: '_',
    vert: '|',
    verbar: '|',
  }),
)

/** Entities that hide nothing: in markup they stand everywhere, and no credential holds what they mean. */
const HARMLESS: ReadonlySet<string> = new Set(['apos', 'gt', 'lt', 'newline', 'quot', 'tab'])

/** The escapes that were resolved, by the names that `View.encodings` gives them. */
export type EscapeKind = 'percent' | 'backslash' | 'entity'

export interface Unescaped {
  readonly bytes: Buffer
  readonly kinds: readonly EscapeKind[]
}

/**
 * The bytes with one layer of percent-encoding, of backslash escapes (JSON, JavaScript, C, Perl: `\u0041`, `\u{41}`,
 * `\x41`, `\x{41}`, `\101`, `\/`) and of HTML entities resolved, all at once. Undefined when none of them hides anything that a credential
 * can hold, as in most bodies: `\n` and `\"` are in every JSON.
 */
export function* unescaped(bytes: Buffer): Steps<Unescaped | undefined> {
  const first = yield* firstTelling(bytes)
  if (first === -1) return undefined
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = bytes.copy(decoded, 0, 0, first)
  const kinds = new Set<EscapeKind>()
  let isBackslash = false
  const pace = new Pace(first)
  for (let at = first; at < bytes.length;) {
    if (pace.isDue(at)) yield pace.take(at)
    const byte = bytes[at] as number
    if (byte === BACKSLASH) {
      const short = SHORT_ESCAPES[bytes[at + 1] ?? 0] as number
      if (short !== 0) {
        decoded[length++] = short
        at += 2
        isBackslash = true
        continue
      }
    }
    const escape = MARKS[byte] === 1 ? readEscape(bytes, at) : undefined
    if (escape === undefined) {
      decoded[length++] = byte
      at += 1
      continue
    }
    length += writeCodePoint(decoded, length, escape)
    kinds.add(KINDS[byte] as EscapeKind)
    at += escape.span
  }
  if (isBackslash) kinds.add('backslash')
  return { bytes: decoded.subarray(0, length), kinds: [...kinds] }
}

const KINDS: Readonly<Record<number, EscapeKind>> = {
  [PERCENT]: 'percent',
  [BACKSLASH]: 'backslash',
  [AMPERSAND]: 'entity',
}
const MARKS = Uint8Array.from({ length: 256 }, (_, byte) => (byte in KINDS ? 1 : 0))

interface Escape {
  /** Bytes in the source. */
  readonly span: number
  readonly code: number
  /** Whether `code` is a byte of its own rather than a character. */
  readonly isByte?: boolean
}

/** Where the first escape may stand when any can hide part of a credential; -1 when none can. */
function* firstTelling(bytes: Buffer): Steps<number> {
  const first = firstMark(bytes)
  if (first === -1) return -1
  const pace = new Pace(first)
  for (let at = first; at < bytes.length; at += 1) {
    if (MARKS[bytes[at] as number] === 0) continue
    if (pace.isDue(at)) yield pace.take(at)
    if (isTelling(bytes, at)) return first
    // A row of backslashes was judged as one: again for each of them would be quadratic.
    while (bytes[at] === BACKSLASH && bytes[at + 1] === BACKSLASH) at += 1
  }
  return -1
}

/** Backslashes are everywhere in JSON: only those before what may be a telling escape count. */
const BACKSLASH_MARKS = ['\\u', '\\x', '\\/', '\\0', '\\1', '\\U'] as const

/** Here a look at each byte costs less than eight searches. */
const SMALL = 2048

function firstMark(bytes: Buffer): number {
  if (bytes.length <= SMALL) {
    for (let at = 0; at < bytes.length; at += 1) if (MARKS[bytes[at] as number] === 1) return at
    return -1
  }
  let first = bytes.length
  for (const mark of [PERCENT, AMPERSAND, ...BACKSLASH_MARKS]) {
    const at = bytes.subarray(0, first).indexOf(mark)
    if (at !== -1) first = at
  }
  return first === bytes.length ? -1 : first
}

function isTelling(bytes: Buffer, at: number): boolean {
  const mark = bytes[at] as number
  if (mark === PERCENT) {
    const escape = readPercent(bytes, at)
    if (escape === undefined) return false
    return escape.isByte === true ? escape.code >= 0x80 || TEXT_BYTES[escape.code] === 1 : isTellingCode(escape.code)
  }
  if (mark === AMPERSAND) {
    const escape = readEntity(bytes, at)
    return escape !== undefined && isTellingCode(escape.code) && !HARMLESS.has(entityName(bytes, at).toLowerCase())
  }
  // Pairs of backslashes are escaped ones: what they escape is resolved in the next layer, if it tells anything.
  let letter = at + 1
  while (bytes[letter] === BACKSLASH) letter += 1
  const escape = readBackslash(bytes, letter - 1)
  if (escape === undefined) return false
  const by = bytes[letter] as number
  if (by === 0x2f) return isInLongRun(bytes, at)
  return (by === 0x75 || by === 0x55 || by === 0x78 || (by >= 0x30 && by <= 0x33)) && isTellingCode(escape.code)
}

/**
 * `\/` stands in every regular expression that is sent as source, and hides something only in a URL with a password or
 * in something long: base64, or a path that is a secret.
 */
function isInLongRun(bytes: Buffer, at: number): boolean {
  if (bytes[at - 1] === 0x3a) return true
  let start = at
  while (start > 0 && at - start < LONG_RUN && AROUND_SLASH[bytes[start - 1] as number] === 1) start -= 1
  let end = at
  while (end - start < LONG_RUN && end < bytes.length && AROUND_SLASH[bytes[end] as number] === 1) end += 1
  return end - start >= LONG_RUN
}

const LONG_RUN = 24
const AROUND_SLASH = byteClass(`${ALPHANUMERIC}+/=_-\\`)

/** Not quotes, brackets and controls: encoders escape them for safety (`\u003c`), and no credential holds them. */
function isTellingCode(code: number): boolean {
  if (code >= 0x80) return isFoldable(code)
  return code > 0x20 && code < 0x7f && !HARMLESS_CODES.has(code)
}

const HARMLESS_CODES: ReadonlySet<number> = new Set(Buffer.from('"\'<>`'))

function readEscape(bytes: Buffer, at: number): Escape | undefined {
  const mark = bytes[at]
  if (mark === BACKSLASH) return readBackslash(bytes, at)
  if (mark === AMPERSAND) return readEntity(bytes, at)
  return readPercent(bytes, at)
}

/** `%41`, and `%u0041` of JavaScript's `escape` (ECMA-262, section B.2.1). */
function readPercent(bytes: Buffer, at: number): Escape | undefined {
  if (((bytes[at + 1] ?? 0) | 0x20) === 0x75) {
    const { code, end } = readHex(bytes, at + 2, 4)
    return end === at + 6 ? withLowHalf(bytes, at, { code, end, mark: PERCENT }) : undefined
  }
  const byte = hexByteAt(bytes, at + 1)
  return byte === -1 ? undefined : { span: 3, code: byte, isByte: true }
}

/** What the letter behind a backslash stands for; 0 for the rest. */
const SHORT_ESCAPES = Uint8Array.from(
  { length: 256 },
  (_, letter) => ({ 0x22: 0x22, 0x27: 0x27, 0x2f: 0x2f, 0x5c: 0x5c, 0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09 })[letter] ?? 0,
)

function readBackslash(bytes: Buffer, at: number): Escape | undefined {
  const letter = bytes[at + 1]
  if (letter === undefined) return undefined
  const short = SHORT_ESCAPES[letter] as number
  if (short !== 0) return { span: 2, code: short }
  if (letter === 0x75 || letter === 0x55) return readUnicode(bytes, at)
  if (letter === 0x78) {
    if (bytes[at + 2] === 0x7b) return readUnicode(bytes, at)
    const byte = hexByteAt(bytes, at + 2)
    return byte === -1 ? undefined : { span: 4, code: byte, isByte: true }
  }
  return readOctal(bytes, at)
}

/** `\uXXXX` with surrogate pairs, `\u{X…}`, `\x{X…}`, `\UXXXXXXXX`. */
function readUnicode(bytes: Buffer, at: number): Escape | undefined {
  if (bytes[at + 2] === 0x7b) {
    const { code, end } = readNumber(bytes, at + 3, 16)
    return bytes[end] === 0x7d && end > at + 3 && code <= 0x10ffff ? { span: end + 1 - at, code } : undefined
  }
  const digits = bytes[at + 1] === 0x55 ? 8 : 4
  const { code, end } = readHex(bytes, at + 2, digits)
  if (end !== at + 2 + digits || code > 0x10ffff) return undefined
  return withLowHalf(bytes, at, { code, end, mark: BACKSLASH })
}

/** A character, with the second half of a surrogate pair, whose mark is the same. */
function withLowHalf(
  bytes: Buffer,
  at: number,
  { code, end, mark }: { readonly code: number; readonly end: number; readonly mark: number },
): Escape {
  if (code < 0xd800 || code > 0xdbff || bytes[end] !== mark || bytes[end + 1] !== 0x75) return { span: end - at, code }
  const low = readHex(bytes, end + 2, 4)
  if (low.end !== end + 6 || low.code < 0xdc00 || low.code > 0xdfff) return { span: end - at, code }
  return { span: low.end - at, code: 0x10000 + ((code - 0xd800) << 10) + (low.code - 0xdc00) }
}

function readOctal(bytes: Buffer, at: number): Escape | undefined {
  let code = 0
  for (let digit = at + 1; digit < at + 4; digit += 1) {
    const value = (bytes[digit] ?? 0) - 0x30
    if (value < 0 || value > (digit === at + 1 ? 3 : 7)) return undefined
    code = code * 8 + value
  }
  return { span: 4, code, isByte: true }
}

/** `&#65;`, `&#x41;` and `&lowbar;`; the numeric ones also without their semicolon, as browsers read them. */
function readEntity(bytes: Buffer, at: number): Escape | undefined {
  if (bytes[at + 1] !== 0x23) {
    const name = entityName(bytes, at)
    if (name === '') return undefined
    const code = ENTITIES.get(name.toLowerCase())?.charCodeAt(0) ?? disguisedCode(name)
    return code === undefined ? undefined : { span: name.length + 2, code }
  }
  const isHex = ((bytes[at + 2] ?? 0) | 0x20) === 0x78
  const start = at + (isHex ? 3 : 2)
  const { code, end } = readNumber(bytes, start, isHex ? 16 : 10)
  if (end === start || code > 0x10ffff) return undefined
  return { span: (bytes[end] === 0x3b ? end + 1 : end) - at, code }
}

/** The letters between `&` and `;`; '' when there are none, or too many for a name in the table. */
function entityName(bytes: Buffer, at: number): string {
  for (let end = at + 1; end < at + LONGEST_NAME + 2; end += 1) {
    if (bytes[end] === 0x3b) return bytes.toString('latin1', at + 1, end)
    const letter = (bytes[end] ?? 0) | 0x20
    if (letter < 0x61 || letter > 0x7a) return ''
  }
  return ''
}

function readHex(bytes: Buffer, start: number, most: number): { readonly code: number; readonly end: number } {
  return readDigits(bytes, start, { most, base: 16 })
}

/** A number of up to eight digits, behind zeros: receivers read any number of them. */
function readNumber(bytes: Buffer, start: number, base: 10 | 16): { readonly code: number; readonly end: number } {
  let at = start
  while (bytes[at] === 0x30) at += 1
  return readDigits(bytes, at, { most: 8, base })
}

function readDigits(
  bytes: Buffer,
  start: number,
  { most, base }: { readonly most: number; readonly base: 10 | 16 },
): { readonly code: number; readonly end: number } {
  let code = 0
  let at = start
  for (; at < start + most && at < bytes.length; at += 1) {
    const value = HEX_VALUE[bytes[at] as number] as number
    if (value === -1 || value >= base) break
    code = code * base + value
  }
  return { code, end: at }
}

/** As UTF-8, which is never longer than the escape was. A lone surrogate stands as `?`. */
function writeCodePoint(target: Buffer, at: number, { code, isByte }: Escape): number {
  if (isByte === true || code < 0x80) {
    target[at] = code
    return 1
  }
  const character = code >= 0xd800 && code <= 0xdfff ? '?' : String.fromCodePoint(code)
  return target.write(character, at)
}
