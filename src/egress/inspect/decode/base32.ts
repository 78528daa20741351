import { byteClass, endOfRun, nextRun, type ByteClass } from './byte-class.ts'
import { withoutEscapedEnds } from './line-ends.ts'
import { Pace, type Steps } from '../steps.ts'
import { TextSink } from './text-sink.ts'

/** 16 bytes, shorter than any credential. */
const LEAST_RUN = 26
/** So many bytes of ASCII in a row are no chance. */
const LEAST_ROW = 12

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 section 6 in one case or the other, and what may stand between wrapped lines. */
const RUNS: readonly ByteClass[] = [byteClass(`${UPPER}\r\n`), byteClass(`${UPPER.toLowerCase()}\r\n`)]
/** With line ends escaped (`\r\n`) too. */
const EITHER = byteClass(`${UPPER}${UPPER.toLowerCase()}\r\n\\`)

const VALUE = Int8Array.from({ length: 256 }, (_, byte) => UPPER.indexOf(String.fromCharCode(byte).toUpperCase()))

/** A group of eight characters is five bytes; where it begins nothing says. */
const ALIGNMENTS = 8

/** All ASCII text that stands in base32 somewhere in `bytes`, at any alignment, wrapped or not. */
export function* base32Text(bytes: Buffer): Steps<Buffer | undefined> {
  const sink = new TextSink()
  for (const wrapped of runsOf(bytes, EITHER)) {
    const letters = withoutEscapedEnds(wrapped)
    for (const members of RUNS) {
      for (const run of runsOf(letters, members)) {
        const digits = run.filter((byte) => byte > 0x20)
        for (let skipped = 0; skipped < ALIGNMENTS; skipped += 1) yield* asciiRows(digits.subarray(skipped), sink)
      }
    }
  }
  return sink.take()
}

function* runsOf(bytes: Buffer, members: ByteClass): Generator<Buffer> {
  for (let from = 0; ;) {
    const start = nextRun(bytes, members, { least: LEAST_RUN, from })
    if (start === -1) return
    from = endOfRun(bytes, members, start)
    yield bytes.subarray(start, from)
  }
}

function* asciiRows(run: Uint8Array, sink: TextSink): Steps<void> {
  const row = Buffer.allocUnsafe(Math.ceil((run.length * 5) / 8))
  let length = 0
  let held = 0
  let bits = 0
  const pace = new Pace()
  for (let at = 0; at <= run.length; at += 1) {
    if (pace.isDue(at)) yield pace.take(at)
    const value = at < run.length ? (VALUE[run[at] as number] as number) : 0
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    const byte = (held >> bits) & 0xff
    if (byte < 0x80 && at < run.length) {
      row[length++] = byte
      continue
    }
    if (length >= LEAST_ROW) keep(row.subarray(0, length), sink)
    length = 0
  }
  if (length >= LEAST_ROW) keep(row.subarray(0, length), sink)
  yield pace.take(run.length)
}

function keep(row: Buffer, sink: TextSink): void {
  for (const byte of row) sink.push(byte)
  sink.finish()
}
