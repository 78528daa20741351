import { Pace, type Steps } from '../steps.ts'
import { ALPHANUMERIC, byteClass, endOfRun, HEX_DIGITS } from './byte-class.ts'

/** A dump begins with offset 0, in six digits or more. */
const ZEROS = '0000'
const DIGITS = byteClass(HEX_DIGITS)
const WORD = byteClass(ALPHANUMERIC)
const BLANK = byteClass(' \t')
const BACKSLASH = 0x5c
const COLON = 0x3a

const LEAST_OFFSET = 6
const LONGEST_OFFSET = 16
/** A line of `xxd -c 256` has about a thousand. */
const LONGEST_LINE = 2048
const LONGEST_MARGIN = 64
/** Shorter than any credential, however it is written. */
const LEAST_DATA = 24

/**
 * The columns of dumps (`xxd`, `hexdump`, `od`), without the offsets before them and the text behind them, each dump as one
 * line. Undefined where there is none.
 */
export function* dumpedColumns(bytes: Buffer): Steps<Buffer | undefined> {
  const found: string[] = []
  const pace = new Pace()
  for (let at = bytes.indexOf(ZEROS); at !== -1; at = bytes.indexOf(ZEROS, at)) {
    if (pace.isDue(at)) yield pace.take(at)
    if (isLineStart(bytes, at) && offsetEnd(bytes, at) !== -1) {
      const { data, end, lines } = yield* dumpFrom(bytes, at)
      if (data.length >= LEAST_DATA && (lines > 1 || isZero(bytes, at))) found.push(data)
      at = Math.max(end, at + 1)
    } else at = endOfRun(bytes, WORD, at)
  }
  return found.length === 0 ? undefined : Buffer.from(found.join('\n'), 'latin1')
}

/** Whether a line begins here, or a string; the letter of an escaped line end is no word. */
function isLineStart(bytes: Buffer, at: number): boolean {
  let before = at - 1
  while (BLANK[bytes[before] ?? 0] === 1 && at - before < LONGEST_MARGIN) before -= 1
  return WORD[bytes[before] ?? 0] === 0 || (bytes[before] === 0x6e && bytes[before - 1] === BACKSLASH)
}

/** Where the offset at `start` ends, with its colon; -1 when there is none. */
function offsetEnd(bytes: Buffer, start: number): number {
  const first = bytes[start + 1] === 0x78 ? start + 2 : start
  const end = endOfRun(bytes, DIGITS, first)
  if (end - first < LEAST_OFFSET || end - first > LONGEST_OFFSET) return -1
  if (bytes[end] === COLON) return end + 1
  return BLANK[bytes[end] ?? 0] === 1 ? end : -1
}

/** Whether the first offset is: numbers with zeros before them stand in heads of archives. */
function isZero(bytes: Buffer, start: number): boolean {
  const end = endOfRun(bytes, DIGITS, start)
  return bytes.subarray(start, end).every((digit) => digit === 0x30)
}

function* dumpFrom(
  bytes: Buffer,
  start: number,
): Steps<{ readonly data: string; readonly end: number; readonly lines: number }> {
  const pieces: string[] = []
  const pace = new Pace(start)
  let at = start
  while (at < bytes.length) {
    if (pace.isDue(at)) yield pace.take(at)
    const first = endOfRun(bytes, BLANK, at)
    const { end, next } = lineFrom(bytes, first)
    const data = offsetEnd(bytes, first)
    // Lines that repeat the one before are shown as `*`.
    if (data === -1 && !(bytes[first] === 0x2a && end === first + 1)) break
    if (data !== -1)
      pieces.push(columnsOf(bytes.toString('latin1', data, Math.max(data, end)), bytes[data - 1] === COLON))
    at = next
  }
  return { data: pieces.join(''), end: at, lines: pieces.length }
}

/** Where the line ends that `start` is in, as such or escaped (`\n`), and where the next one begins. */
function lineFrom(bytes: Buffer, start: number): { readonly end: number; readonly next: number } {
  const last = Math.min(bytes.length, start + LONGEST_LINE)
  for (let at = start; at < last; at += 1) {
    const byte = bytes[at]
    if (byte === 0x0a) return { end: at, next: at + 1 }
    const next = byte === BACKSLASH ? afterEscapedEnd(bytes, at) : -1
    if (next !== -1) return { end: at, next }
    while (bytes[at] === BACKSLASH && bytes[at + 1] === BACKSLASH) at += 1
  }
  return { end: last, next: last }
}

/** Behind an escaped line end; -1 where there is none. `\n` that no offset follows is a column of `od -c`. */
function afterEscapedEnd(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === BACKSLASH) at += 1
  if (bytes[at] !== 0x6e) return -1
  const next = at + 1
  return bytes[next] === 0x2a || endOfRun(bytes.subarray(next, next + LEAST_OFFSET), DIGITS, 0) === LEAST_OFFSET
    ? next
    : -1
}

/** The columns of a line behind its offset. Their text stands behind two blanks, between bars or between angles. */
function columnsOf(line: string, isMarked: boolean): string {
  const text = isMarked ? line.indexOf('  ') : line.search(/ {2}(?:\|(?! {2})|>(?=.*<\s*$))/)
  return (text === -1 ? line : line.slice(0, text)).trimEnd()
}
