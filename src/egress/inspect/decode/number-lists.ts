import { Pace, STEP_BYTES, type Steps } from '../steps.ts'
import { ALPHANUMERIC, byteClass, endOfRun, HEX_DIGITS, nextRun } from './byte-class.ts'
import { bytesOfRow, NumberRows, packedRow } from './number-rows.ts'

/** Twelve bytes as two digits and something between them; no credential is as short. */
const LEAST_RUN = 32
/** What stands in lists of numbers: digits, their prefixes, separators, brackets, escaped line ends. */
const LISTED = `${HEX_DIGITS}xXnU \t\r\n,;:[](){}"'\\+-|/&#`
const RUN = byteClass(LISTED)
/** Where the text has calls in it: `chr(103) + chr(104)`, `0o147`. */
const RUN_OF_CALLS = byteClass(`${LISTED}hroO`)

/**
 * Text, and what was compressed, of which the bytes are written as numbers one behind the other: `67 68 70`,
 * `0x67, 0x68`, `[103, 104]`, `147 150`, words of them in either order as dumps show, `{"0": 103, "1": 104}`. Undefined
 * where there is none: tables, measurements and pictures give no text.
 */
export function* listedBytes(bytes: Buffer): Steps<Buffer | undefined> {
  const members = ['chr(', '0o1', '\\o{'].some((call) => bytes.includes(call)) ? RUN_OF_CALLS : RUN
  const found: Buffer[] = []
  const pace = new Pace()
  for (let from = 0; ;) {
    if (pace.isDue(from)) yield pace.take(from)
    const start = nextRun(bytes, members, { least: LEAST_RUN, from })
    if (start === -1) break
    from = endOfRun(bytes, members, start)
    if (!mayHoldText(bytes, start, from)) continue
    // What the run cuts at its beginning is no number.
    const first = WORD[bytes[start - 1] ?? 0] === 1 ? endOfRun(bytes, WORD, start) : start
    const packed = packedRow(bytes, first, from)
    if (packed !== undefined) keep(found, bytesOfRow(bytes, packed))
    const rows = new NumberRows(bytes, from)
    for (let at = first; at < from;) {
      at = rows.read(at, Math.min(from, at + STEP_BYTES))
      for (const row of rows.take(at >= from)) keep(found, bytesOfRow(bytes, row))
      if (pace.isDue(at)) yield pace.take(at)
    }
  }
  return found.length === 0 ? undefined : Buffer.concat(found)
}

/** Zeros are a list of nothing. */
function keep(found: Buffer[], content: Buffer): void {
  if (content.length >= LEAST_BYTES && content.some((byte) => byte !== 0)) found.push(content, NUL)
}

/** Whether there are as many decimal digits as a text of the least length has, in whatever base: blanks are runs too. */
function mayHoldText(bytes: Buffer, start: number, end: number): boolean {
  let digits = 0
  for (let at = start; at < end && digits < LEAST_BYTES; at += 1) digits += DIGIT[bytes[at] as number] as number
  return digits >= LEAST_BYTES
}

const LEAST_BYTES = 12
const DIGIT = byteClass('0123456789')
const NUL = Buffer.of(0)
const WORD = byteClass(ALPHANUMERIC)
