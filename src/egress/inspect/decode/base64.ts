import { isAscii, isUtf8 } from 'node:buffer'
import { ALPHANUMERIC, byteClass, endOfRun, nextRun } from './byte-class.ts'
import { Pace, type Steps } from '../steps.ts'
import { TextSink } from './text-sink.ts'

/** 20 characters, the shortest credential, are 27 in base64; of those at least 5 whole groups are decided by it alone. */
export const LEAST_RUN = 16
/** The alphabets of RFC 4648 sections 4 and 5, and what may stand between wrapped lines, as such or escaped (`\r\n`). */
const RUN = byteClass(`${ALPHANUMERIC}+/-_\r\n\\`)

const SKIP = 64
const BACKSLASH = 65
const END = 66

/** The six bits of each character of either alphabet, or one of the above. */
const VALUE = valueTable()

/**
 * For a character at phase p (0-3) of its value v, at `p * 64 + v`: the set (bits 0-3) of alignments for which it may
 * be part of ASCII text. In a group of four, the first bit of each of the three bytes is bit 5 of the first character,
 * bit 3 of the second and bit 1 of the third.
 */
const ASCII_AT = asciiTable()

const NONE = 16
/** The same by byte, at `phase * 256 + byte`; NONE for what is no character of base64. */
const GROUP = Uint8Array.from({ length: 1024 }, (_, index) => {
  const value = VALUE[index & 0xff] as number
  return value >= SKIP ? NONE : (ASCII_AT[(index >> 8) * 64 + value] as number)
})

/**
 * All text that stands in base64 somewhere in `bytes`, at any alignment, wrapped or not, padded or not: found by the
 * bits that are 0 in ASCII, so that images and hashes cost one look a character and nothing is decoded in vain.
 */
export function* base64Text(bytes: Buffer): Steps<Buffer | undefined> {
  let sink: TextSink | undefined
  const pace = new Pace()
  for (let start = nextRun(bytes, RUN, { least: LEAST_RUN, from: 0 }); start !== -1;) {
    sink ??= new TextSink()
    const end = yield* searchRun(bytes, start, sink)
    if (pace.isDue(end)) yield pace.take(end)
    start = nextRun(bytes, RUN, { least: LEAST_RUN, from: afterBackslashes(bytes, Math.max(end, start + 1)) })
  }
  return sink?.take()
}

/** Whether there is any run of at least so many characters of base64, among which are those of base32 and hexadecimal. */
export function hasRun(bytes: Buffer, least: number): boolean {
  return nextRun(bytes, RUN, { least, from: 0 }) !== -1
}

/** Where the row of backslashes that is no line end is over: from each of them the same would be seen again. */
function afterBackslashes(bytes: Buffer, from: number): number {
  let at = from
  while (bytes[at] === 0x5c) at += 1
  return at
}

/** Looks at one run, past white space and escaped line ends; returns where it ends. */
function* searchRun(bytes: Buffer, start: number, sink: TextSink): Steps<number> {
  foreignText(bytes, start, sink)
  let phase = 0
  let group = 15
  // The alignments that were text in the last three groups, and where the last five groups began.
  let before1 = 0
  let before2 = 0
  let before3 = 0
  let at0 = start
  let at1 = start
  let at2 = start
  let at3 = start
  let at = start
  const pace = new Pace(start)
  while (at < bytes.length) {
    if (pace.isDue(at)) yield pace.take(at)
    // Whole groups in the middle of a long run, at once: NONE in any of the four says that one is no character of it.
    if (phase === 0) {
      while (at + 4 <= bytes.length) {
        const whole = fourAt(bytes, at)
        if (whole >= NONE) break
        const lanes = whole & before1 & before2 & before3
        if (lanes !== 0) break
        before3 = before2
        before2 = before1
        before1 = whole
        at3 = at2
        at2 = at1
        at1 = at
        at += 4
      }
    }
    if (at >= bytes.length) break
    const value = VALUE[bytes[at] as number] as number
    if (value >= SKIP) {
      if (value === END) break
      if (value === SKIP) {
        at += 1
        continue
      }
      const next = afterEscape(bytes, at)
      if (next === -1) break
      at = next
      continue
    }
    if (phase === 0) at0 = at
    group &= ASCII_AT[phase * 64 + value] as number
    at += 1
    phase += 1
    if (phase < 4) continue
    const lanes = group & before1 & before2 & before3
    if (lanes !== 0) {
      at = yield* decodeLanes(bytes, { lanes, from: at3, least: at }, sink)
      before1 = before2 = before3 = 0
      at0 = at1 = at2 = at3 = at
    } else {
      before3 = before2
      before2 = before1
      before1 = group
      at3 = at2
      at2 = at1
      at1 = at0
    }
    phase = 0
    group = 15
  }
  return at
}

/** The alignments at which four characters in a row may be ASCII text; NONE or more when one is no character of base64. */
function fourAt(bytes: Buffer, at: number): number {
  const first = GROUP[bytes[at] as number] as number
  const second = GROUP[256 + (bytes[at + 1] as number)] as number
  const third = GROUP[512 + (bytes[at + 2] as number)] as number
  const fourth = GROUP[768 + (bytes[at + 3] as number)] as number
  return (first & second & third & fourth & (NONE - 1)) | ((first | second | third | fourth) & NONE)
}

/** Decodes at each alignment until there is no text any more; returns where the longest stretch ends. */
function* decodeLanes(
  bytes: Buffer,
  { lanes, from, least }: { readonly lanes: number; readonly from: number; readonly least: number },
  sink: TextSink,
): Steps<number> {
  let furthest = least
  for (let lane = 0; lane < 4; lane += 1) {
    if ((lanes & (1 << lane)) === 0) continue
    const end = yield* decodeText(bytes, { from, skip: lane, least }, sink)
    sink.finish()
    if (end > furthest) furthest = end
  }
  return furthest
}

interface Stretch {
  readonly from: number
  /** Characters to pass over, so that a group begins. */
  readonly skip: number
  /** Up to here a byte that is no text does not end it. */
  readonly least: number
}

function* decodeText(bytes: Buffer, { from, skip, least }: Stretch, sink: TextSink): Steps<number> {
  let passed = 0
  let bits = 0
  let count = 0
  let at = from
  const pace = new Pace(from)
  while (at < bytes.length) {
    if (pace.isDue(at)) yield pace.take(at)
    const value = VALUE[bytes[at] as number] as number
    if (value >= SKIP) {
      const next = value === SKIP ? at + 1 : value === BACKSLASH ? afterEscape(bytes, at) : -1
      if (next === -1) break
      at = next
      continue
    }
    at += 1
    if (passed < skip) {
      passed += 1
      continue
    }
    bits = (bits << 6) | value
    count += 6
    if (count < 8) continue
    count -= 8
    const byte = (bits >>> count) & 0xff
    bits &= 0xff
    if (byte < 0x80) sink.push(byte)
    else if (at <= least) sink.push(0)
    else break
  }
  return at
}

/** The character after escaped line ends and tabs (`\n`, `\\r\\n` in nested JSON); -1 when it is another escape. */
function afterEscape(bytes: Buffer, at: number): number {
  let letter = at + 1
  while (bytes[letter] === 0x5c) letter += 1
  const byte = bytes[letter]
  return byte === 0x6e || byte === 0x72 || byte === 0x74 ? letter + 1 : -1
}

/**
 * Text that is not ASCII, such as full-width letters: looked for where a run begins and after the separators in its
 * beginning, because only there the alignment is known. A few bytes of anything else are not UTF-8.
 */
function foreignText(bytes: Buffer, start: number, sink: TextSink): void {
  if (bytes[start] === 0x5c && bytes[start + 1] === 0x5c) return
  const last = Math.min(start + FOREIGN_WINDOW, bytes.length)
  for (let from = start; from < last; from += 1) {
    const isStart = from === start || SEPARATORS[bytes[from - 1] as number] === 1
    if (!isStart || SEPARATORS[bytes[from] as number] === 1 || !beginsUtf8(bytes, from)) continue
    const decoded = Buffer.from(
      bytes.toString('latin1', from, endOfRun(bytes, RUN, from)).replace(/\\[nrt]?/g, ''),
      'base64',
    )
    const whole = withoutCutEnd(decoded)
    if (!isUtf8(whole) || isAscii(whole)) continue
    for (const byte of whole) sink.push(byte)
    return sink.finish()
  }
}

/** How far from the start of a run its alignment is looked for. */
const FOREIGN_WINDOW = 64
const SEPARATORS = byteClass('/-_+\\')

/** Whether the first 24 bytes that this decodes to may be UTF-8. */
function beginsUtf8(bytes: Buffer, from: number): boolean {
  let bits = 0
  let count = 0
  let following = 0
  for (let at = from; at < from + 32; at += 1) {
    const value = at < bytes.length ? (VALUE[bytes[at] as number] as number) : END
    if (value === SKIP) continue
    if (value === BACKSLASH) {
      const next = afterEscape(bytes, at)
      if (next === -1) return at - from >= LEAST_RUN
      at = next - 1
      continue
    }
    if (value > SKIP) return at - from >= LEAST_RUN
    bits = ((bits << 6) | value) & 0xffff
    count += 6
    if (count < 8) continue
    count -= 8
    const byte = (bits >>> count) & 0xff
    if (following > 0) {
      if ((byte & 0xc0) !== 0x80) return false
      following -= 1
    } else if (byte >= 0x80) {
      if (byte < 0xc2 || byte > 0xf4) return false
      following = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    }
  }
  return true
}

/** Without a last character that is incomplete: what followed the text was no longer part of it. */
function withoutCutEnd(decoded: Buffer): Buffer {
  let end = decoded.length
  while (end > 0 && decoded.length - end < 3 && ((decoded[end - 1] as number) & 0xc0) === 0x80) end -= 1
  return end > 0 && (decoded[end - 1] as number) >= 0xc0 && !isUtf8(decoded.subarray(end - 1))
    ? decoded.subarray(0, end - 1)
    : decoded
}

function valueTable(): Uint8Array {
  const table = new Uint8Array(256).fill(END)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (const [value, character] of Buffer.from(alphabet).entries()) table[character] = value
  table[0x2d] = 62
  table[0x5f] = 63
  for (const space of [0x20, 0x09, 0x0a, 0x0d]) table[space] = SKIP
  table[0x5c] = BACKSLASH
  return table
}

function asciiTable(): Uint8Array {
  const table = new Uint8Array(256)
  for (let phase = 0; phase < 4; phase += 1) {
    for (let value = 0; value < 64; value += 1) {
      for (let lane = 0; lane < 4; lane += 1) {
        const firstBit = [0x20, 0x08, 0x02, 0][(phase - lane + 4) % 4] as number
        if ((value & firstBit) === 0) table[phase * 64 + value] = (table[phase * 64 + value] as number) | (1 << lane)
      }
    }
  }
  return table
}
