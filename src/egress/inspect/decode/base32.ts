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

/** A group of eight characters is five bytes; where it begins nothing says, and so neither where a byte does. */
const OFFSETS = [0, 1, 2, 3, 4, 5, 6, 7] as const

/** All ASCII text that stands in base32 somewhere in `bytes`, at any alignment, wrapped or not. */
export function* base32Text(bytes: Buffer): Steps<Buffer | undefined> {
  const sink = new TextSink()
  for (const wrapped of runsOf(bytes, EITHER)) {
    const letters = withoutEscapedEnds(wrapped)
    for (const members of RUNS) {
      for (const run of runsOf(letters, members)) yield* asciiRows(yield* packed(run), sink)
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

/** The bits of letters, five each. */
interface Packed {
  /** What is left of a byte at the end is filled with zeros. */
  readonly bytes: Uint8Array
  readonly bits: number
}

function* packed(letters: Buffer): Steps<Packed> {
  const bytes = new Uint8Array(Math.ceil((letters.length * 5) / 8) + 1)
  let length = 0
  let held = 0
  let pending = 0
  const pace = new Pace()
  for (let at = 0; at < letters.length; at += 1) {
    if (pace.isDue(at)) yield pace.take(at)
    const value = VALUE[letters[at] as number] as number
    if (value === -1) continue
    held = ((held << 5) | value) & 0xfff
    pending += 5
    if (pending < 8) continue
    pending -= 8
    bytes[length++] = held >> pending
  }
  yield pace.take(letters.length)
  bytes[length] = held << (8 - pending)
  return { bytes, bits: length * 8 + pending }
}

/**
 * At a bit offset all bytes are ASCII where the first bit of each is clear, so that one look at a byte answers for all eight
 * offsets. It goes backward from where a row would be long enough: a byte that ends the rows of all is left behind at once.
 */
function* asciiRows({ bytes, bits }: Packed, sink: TextSink): Steps<void> {
  const ends = OFFSETS.map(() => 0)
  const pace = new Pace()
  let looked = 0
  for (let at = 0; at + LEAST_ROW <= bits >> 3;) {
    if (pace.isDue(at + looked)) yield pace.take(at + looked)
    let clear = 0xff
    let last = at + LEAST_ROW
    while (clear !== 0 && last > at) clear &= ~(bytes[(last -= 1)] as number)
    if (clear === 0) {
      at = last + 1
      continue
    }
    for (const offset of OFFSETS) {
      if ((clear & (0x80 >> offset)) === 0 || at < (ends[offset] as number)) continue
      const end = keepRow({ bytes, bits: bits - offset }, { offset, at }, sink)
      looked += end - at
      ends[offset] = end
    }
    at += 1
  }
  yield pace.take((bits >> 3) + looked)
}

/** The row of ASCII from there on; returns its end. */
function keepRow(
  { bytes, bits }: Packed,
  start: { readonly offset: number; readonly at: number },
  sink: TextSink,
): number {
  const first = 0x80 >> start.offset
  const end = bits >> 3
  let { at } = start
  for (; at < end && ((bytes[at] as number) & first) === 0; at += 1) {
    const two = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    sink.push((two >> (8 - start.offset)) & 0xff)
  }
  sink.finish()
  return at
}
