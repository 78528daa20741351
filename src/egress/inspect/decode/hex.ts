import { isAscii, isUtf8 } from 'node:buffer'
import { byteClass, endOfRun, HEX_DIGITS, HEX_VALUE, nextRun } from './byte-class.ts'
import { withoutLineEnds } from './line-ends.ts'
import { Pace, type Steps } from '../steps.ts'
import { TextSink } from './text-sink.ts'

const LEAST_RUN = 24
const DIGITS = byteClass(HEX_DIGITS)
/** Hex digits, and what may stand between wrapped lines, as such or escaped (`\r\n`). */
const RUN = byteClass(`${HEX_DIGITS}\r\n\\nrt`)

/** So many bytes of ASCII in a row are no hash. */
const LEAST_BYTES = 12

/** All text that stands in hexadecimal somewhere in `bytes`, at either parity, wrapped or not. */
export function* hexText(bytes: Buffer): Steps<Buffer | undefined> {
  let sink: TextSink | undefined
  for (const digits of hexRuns(bytes)) {
    sink ??= new TextSink()
    for (const parity of [0, 1]) yield* asciiAt(digits, parity, sink)
    foreignText(digits, sink)
  }
  return sink?.take()
}

/** Every run of digits, without the line ends that it is wrapped by. */
export function* hexRuns(bytes: Buffer): Generator<Buffer> {
  for (let start = nextRun(bytes, RUN, { least: LEAST_RUN, from: 0 }); start !== -1;) {
    const end = endOfRun(bytes, RUN, start)
    const run = bytes.subarray(start, end)
    if (endOfRun(run, DIGITS, 0) === run.length) yield run
    else yield* unwrapped(run)
    start = nextRun(bytes, RUN, { least: LEAST_RUN, from: end })
  }
}

function* unwrapped(run: Buffer): Generator<Buffer> {
  const text = withoutLineEnds(run)
  for (let start = nextRun(text, DIGITS, { least: LEAST_RUN, from: 0 }); start !== -1;) {
    const end = endOfRun(text, DIGITS, start)
    yield text.subarray(start, end)
    start = nextRun(text, DIGITS, { least: LEAST_RUN, from: end })
  }
}

/** The first bit of a byte of ASCII is 0: its first digit is below 8. */
function* asciiAt(digits: Uint8Array, parity: number, sink: TextSink): Steps<void> {
  let start = parity
  const pace = new Pace()
  for (let at = parity; ; at += 2) {
    if (pace.isDue(at)) yield pace.take(at)
    const isAsciiByte = at + 1 < digits.length && (HEX_VALUE[digits[at] as number] as number) < 8
    if (isAsciiByte) continue
    if (at - start >= 2 * LEAST_BYTES) {
      for (let byte = start; byte < at; byte += 2) sink.push(byteOf(digits, byte))
      sink.finish()
    }
    start = at + 2
    if (start >= digits.length) {
      yield pace.take(digits.length)
      return
    }
  }
}

/** Text that is not ASCII: a few bytes of anything else are not UTF-8. */
function foreignText(digits: Uint8Array, sink: TextSink): void {
  const first = Buffer.from(Buffer.from(digits.subarray(0, 2 * LEAST_BYTES)).toString('latin1'), 'hex')
  if (isAscii(first) || !mayBeUtf8(first)) return
  const decoded = Buffer.from(Buffer.from(digits).toString('latin1'), 'hex')
  if (!isUtf8(decoded)) return
  for (const byte of decoded) sink.push(byte)
  sink.finish()
}

/** Its last character may be cut. */
function mayBeUtf8(bytes: Buffer): boolean {
  return [0, 1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut)))
}

function byteOf(digits: Uint8Array, at: number): number {
  return (HEX_VALUE[digits[at] as number] as number) * 16 + (HEX_VALUE[digits[at + 1] as number] as number)
}
