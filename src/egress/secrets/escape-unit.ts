import { HEX_VALUE } from '../inspect/decode/byte-class.ts'
import { ENTITIES } from '../inspect/decode/escapes.ts'

/** What is read at once: a byte, or an escape. */
export interface Unit {
  /** The byte or code point that is meant. */
  readonly code: number
  /** Where the next unit begins. */
  readonly end: number
  /** Whether `code` is a byte, which may be part of a character, rather than a character. */
  readonly isByte: boolean
}

/** The input ended inside what may become an escape. */
export const MORE = Symbol('more')

/** Escapes in escapes: percent-encoding of JSON in JSON, … */
const LAYERS = 4

/** No escape that anybody writes is longer, however many layers it has. */
const LONGEST_UNIT = 128

const PERCENT = 0x25
const AMPERSAND = 0x26
export const BACKSLASH = 0x5c

/** 1 for what an escape begins with. */
const MARKS = Uint8Array.from({ length: 256 }, (_, byte) => Number([PERCENT, AMPERSAND, BACKSLASH].includes(byte)))

/** Letters that a backslash makes a control character of. */
const CONTROLS = new Set(Buffer.from('nrtbfv'))

/** Reads the units of one text. */
export class UnitReader {
  readonly #bytes: Buffer
  readonly #isLast: boolean
  #known: Known | undefined

  /** With `isLast` nothing follows. */
  constructor(bytes: Buffer, isLast: boolean) {
    this.#bytes = bytes
    this.#isLast = isLast
  }

  /**
   * The unit at `at`, with up to four layers of percent-encoding, backslash escapes (JSON, JavaScript, C) and HTML
   * entities undone. `MORE` when it depends on bytes that are still to come.
   */
  at(at: number): Unit | typeof MORE {
    const bytes = this.#bytes
    const end = Math.min(bytes.length, at + LONGEST_UNIT)
    const known = (this.#known ??= new Known())
    return read({ bytes, end, isLast: this.#isLast || end < bytes.length, known, reachedEnd: false }, at, LAYERS)
  }
}

interface Window {
  readonly bytes: Buffer
  readonly end: number
  /** Whether nothing that counts follows `end`. */
  readonly isLast: boolean
  readonly known: Known
  /** Whether what is being read depends on where the window ends. */
  reachedEnd: boolean
}

type Reading = Unit | typeof MORE

/**
 * What was read already, by place and layers. The same place is asked for by many escapes around it: without this, each
 * layer would multiply the work, and a body of `&&&&#` would take minutes.
 */
class Known {
  readonly #places = new Int32Array(PLACES * LAYERS).fill(-1)
  /** The end of the window that a reading is for; -1 where it is the same for any. */
  readonly #ends = new Int32Array(PLACES * LAYERS)
  readonly #readings: Reading[] = []

  find({ end }: Window, at: number, layers: number): Reading | undefined {
    const index = indexOf(at, layers)
    if (this.#places[index] !== at) return undefined
    const only = this.#ends[index]
    return only === -1 || only === end ? this.#readings[index] : undefined
  }

  isForAny(at: number, layers: number): boolean {
    return this.#ends[indexOf(at, layers)] === -1
  }

  keep(
    { end, reachedEnd }: Window,
    { at, layers }: { readonly at: number; readonly layers: number },
    reading: Reading,
  ): void {
    const index = indexOf(at, layers)
    this.#places[index] = at
    this.#ends[index] = reachedEnd ? end : -1
    this.#readings[index] = reading
  }
}

/** A power of two, larger than a window. */
const PLACES = 2 * LONGEST_UNIT

function indexOf(at: number, layers: number): number {
  return (at & (PLACES - 1)) * LAYERS + layers - 1
}

/** The code of what is read behind the end. */
const NOTHING = -1

function byteAt(bytes: Buffer, at: number): Unit {
  return { code: bytes[at] as number, end: at + 1, isByte: true }
}

/** `layers` of escapes undone, the innermost in the text first. */
function read(window: Window, at: number, layers: number): Reading {
  if (at >= window.end) {
    window.reachedEnd = true
    return window.isLast ? { code: NOTHING, end: at, isByte: false } : MORE
  }
  if (layers === 0 || MARKS[window.bytes[at] as number] === 0) return byteAt(window.bytes, at)
  const known = window.known.find(window, at, layers)
  if (known !== undefined) {
    if (!window.known.isForAny(at, layers)) window.reachedEnd = true
    return known
  }
  const before = window.reachedEnd
  window.reachedEnd = false
  const reading = readAnew(window, at, layers)
  window.known.keep(window, { at, layers }, reading)
  window.reachedEnd ||= before
  return reading
}

function readAnew(window: Window, at: number, layers: number): Reading {
  const first = read(window, at, layers - 1)
  if (first === MORE) return MORE
  switch (first.code) {
    case PERCENT:
      return readPercent(window, first, layers - 1)
    case BACKSLASH:
      return readBackslash(window, first, layers - 1)
    case AMPERSAND:
      return readEntity(window, first, layers - 1)
    default:
      return first
  }
}

const LAST_CODE_POINT = 0x10ffff

/** `%41`, or `%u0041` of JavaScript's `escape`. */
function readPercent(window: Window, mark: Unit, layers: number): Reading {
  const letter = read(window, mark.end, layers)
  if (letter === MORE) return MORE
  if ((letter.code | 0x20) !== 0x75) return readByte(window, mark, layers)
  const unit = readHex(window, letter.end, { least: 4, most: 4, layers })
  if (unit === MORE || unit === undefined) return unit ?? mark
  return withLowHalf(window, unit, { by: PERCENT, layers })
}

/** `\x41`, or `\x{41}` of Perl; `letter` is the `x`. */
function readHexEscape(window: Window, letter: Unit, layers: number): Reading {
  const brace = read(window, letter.end, layers)
  if (brace === MORE) return MORE
  return brace.code === 0x7b ? readCodeUnit(window, letter, layers) : readByte(window, letter, layers)
}

/** Two hexadecimal digits behind `mark`. */
function readByte(window: Window, mark: Unit, layers: number): Reading {
  const number = readHex(window, mark.end, { least: 2, most: 2, layers })
  return number === MORE ? MORE : number === undefined ? mark : { ...number, isByte: true }
}

function readBackslash(window: Window, mark: Unit, layers: number): Reading {
  const letter = read(window, mark.end, layers)
  if (letter === MORE) return MORE
  switch (letter.code) {
    case NOTHING:
      return mark
    case 0x75:
      return readCodeUnit(window, letter, layers)
    case 0x78:
      return readHexEscape(window, letter, layers)
    case 0x30:
    case 0x31:
    case 0x32:
    case 0x33:
      return readOctal(window, letter, layers)
    default:
      return CONTROLS.has(letter.code) ? { code: 0x0a, end: letter.end, isByte: true } : letter
  }
}

/** `\uXXXX`, two of them for a surrogate pair, or `\u{XXXXXX}`; `letter` is the `u`, or an `x` with braces. */
function readCodeUnit(window: Window, letter: Unit, layers: number): Reading {
  const brace = read(window, letter.end, layers)
  if (brace === MORE) return MORE
  const isBraced = brace.code === 0x7b
  const limits = isBraced ? { least: 1, most: 6, layers } : { least: 4, most: 4, layers }
  const high = readHex(window, isBraced ? brace.end : letter.end, limits)
  if (high === MORE || high === undefined) return high ?? letter
  if (isBraced) return high.code > LAST_CODE_POINT ? letter : (closed(window, high, { by: 0x7d, layers }) ?? letter)
  return withLowHalf(window, high, { by: BACKSLASH, layers })
}

/** A character, with the second half of a surrogate pair, whose mark is the same. */
function withLowHalf(
  window: Window,
  high: Unit,
  { by, layers }: { readonly by: number; readonly layers: number },
): Reading {
  if (high.code < 0xd800 || high.code > 0xdbff) return high
  const mark = read(window, high.end, layers)
  const next = mark === MORE || mark.code !== by ? mark : read(window, mark.end, layers)
  if (next === MORE) return MORE
  const low = next.code === 0x75 ? readHex(window, next.end, { least: 4, most: 4, layers }) : undefined
  if (low === MORE) return MORE
  if (low === undefined || low.code < 0xdc00 || low.code > 0xdfff) return high
  return { code: 0x10000 + ((high.code - 0xd800) << 10) + (low.code - 0xdc00), end: low.end, isByte: false }
}

function readOctal(window: Window, first: Unit, layers: number): Reading {
  let code = first.code - 0x30
  let end = first.end
  for (let digit = 0; digit < 2; digit += 1) {
    const next = read(window, end, layers)
    if (next === MORE) return MORE
    const value = next.code - 0x30
    if (value < 0 || value > 7) return first
    code = code * 8 + value
    end = next.end
  }
  return { code, end, isByte: true }
}

/** `&#65;`, `&#x41;`, also without their semicolon, as browsers read them, and `&lowbar;`. */
function readEntity(window: Window, mark: Unit, layers: number): Reading {
  const first = read(window, mark.end, layers)
  if (first === MORE) return MORE
  if (first.code !== 0x23) return readNamed(window, mark, layers)
  const base = read(window, first.end, layers)
  if (base === MORE) return MORE
  const isHex = (base.code | 0x20) === 0x78
  const number = isHex
    ? readHex(window, base.end, { least: 1, most: 8, layers })
    : readDecimal(window, first.end, layers)
  if (number === MORE || number === undefined || number.code > LAST_CODE_POINT) return number === MORE ? MORE : mark
  return closed(window, number, { by: 0x3b, layers }) ?? number
}

function readNamed(window: Window, mark: Unit, layers: number): Reading {
  let name = ''
  for (let end = mark.end; name.length < 9;) {
    const unit = read(window, end, layers)
    if (unit === MORE) return MORE
    if (unit.code === 0x3b) {
      const character = ENTITIES.get(name.toLowerCase())
      return character === undefined ? mark : { code: character.charCodeAt(0), end: unit.end, isByte: true }
    }
    const letter = unit.code | 0x20
    if (letter < 0x61 || letter > 0x7a) return mark
    name += String.fromCharCode(unit.code)
    end = unit.end
  }
  return mark
}

/** The unit with what closes it, or undefined where something else follows. */
function closed(
  window: Window,
  unit: Unit,
  { by, layers }: { readonly by: number; readonly layers: number },
): Reading | undefined {
  const next = read(window, unit.end, layers)
  if (next === MORE) return MORE
  return next.code === by ? { ...unit, end: next.end } : undefined
}

interface Digits {
  readonly least: number
  readonly most: number
  readonly layers: number
}

/** Undefined when there are too few digits. */
function readHex(window: Window, at: number, { least, most, layers }: Digits): Reading | undefined {
  let code = 0
  let end = at
  for (let count = 0; count < most; count += 1) {
    const unit = read(window, end, layers)
    if (unit === MORE) return MORE
    const value = unit.code >= 0 && unit.code < 256 ? (HEX_VALUE[unit.code] as number) : -1
    if (value === -1) return count < least ? undefined : { code, end, isByte: false }
    code = code * 16 + value
    end = unit.end
  }
  return { code, end, isByte: false }
}

function readDecimal(window: Window, at: number, layers: number): Reading | undefined {
  let code = 0
  let end = at
  for (let count = 0; count < 8; count += 1) {
    const unit = read(window, end, layers)
    if (unit === MORE) return MORE
    const value = unit.code - 0x30
    if (value < 0 || value > 9) return count === 0 ? undefined : { code, end, isByte: false }
    code = code * 10 + value
    end = unit.end
  }
  return { code, end, isByte: false }
}
