import { byteClass, hexByteAt } from '../inspect/decode/byte-class.ts'
import { asciiSet } from '../simd/byte-set.ts'
import { BLOCK_BYTES, passesFor, type Passes } from '../simd/passes.ts'
import { BACKSLASH, MORE, UnitReader, type Unit } from './escape-unit.ts'

/**
 * Text as it is compared: escapes undone, up to four layers of them, and without what a text can be cut into pieces or
 * written differently by - white space, quotes, hyphens and other separators, and the characters in which the alphabets
 * of base64 differ. So `se%63-ret`, `"sec" +\n "ret"` and `s.e.c.r.e.t` are one text.
 */
export interface Canonical {
  readonly bytes: Buffer
  /** How much of the source was read: an escape that may go on is not. */
  readonly end: number
  /** Where a unit begins, to walk on from. */
  readonly checkpoint: Place
}

/** The same place in the source and in the canonical form. */
export interface Place {
  readonly source: number
  readonly canonical: number
}

/** Separators. Brackets are none: they end a value, so that a stream that pauses behind one need not wait. */
const SEPARATORS = new Set(Buffer.from(' \t\n\r\v\f-_+/=.,;:|"\'`'))
const SIMPLE_ESCAPES = byteClass('nrtbf"/\'')

const KEPT = 0
const DROPPED = 1
const MARK = 2
/** The kind of each byte. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x25 || byte === 0x26 || byte === BACKSLASH ? MARK : SEPARATORS.has(byte) ? DROPPED : KEPT,
)

const DROPPED_SET = asciiSet(SEPARATORS)
const MARK_SET = asciiSet(Buffer.from('%&\\'))

const WITH_MARK = -1

/** By two bytes as this machine reads them: what is kept of them (bits 0-15), how many (16-17); no mark among them. */
const PAIRS = pairTable()

const BLOCK = 65_536

/** All of a text that is whole. */
export function canonicalBytes(text: Buffer): Buffer {
  return canonicalForm(text, { isLast: true, tail: 0 }, Buffer.allocUnsafe(text.length + ROOM)).bytes
}

/** Without separators, its escapes as they stand. */
export function withoutSeparators(text: Buffer): Buffer {
  const kept = Buffer.allocUnsafe(text.length)
  let length = 0
  for (const byte of text) if (KINDS[byte] !== DROPPED && byte !== BACKSLASH) kept[length++] = byte
  return kept.subarray(0, length)
}

/** Beyond the length of its source a canonical form may be written this far. */
const ROOM = 4

/** Where canonical forms of one text after another are written: a new place for each is most of what they cost. */
export class Desk {
  #buffer: Buffer = Buffer.alloc(0)

  /** For the canonical form of so many bytes; what lay there before is gone. */
  for(length: number): Buffer {
    if (length > MOST_ON_DESK) return Buffer.allocUnsafe(length + ROOM)
    if (this.#buffer.length < length + ROOM) this.#buffer = Buffer.allocUnsafeSlow(length * 2 + ROOM)
    return this.#buffer
  }
}

const MOST_ON_DESK = 1024 * 1024

/** Written to `target`. The checkpoint lies about `tail` bytes before the end. With `isLast` nothing follows. */
export function canonicalForm(
  source: Buffer,
  { isLast, tail }: { readonly isLast: boolean; readonly tail: number },
  target: Buffer,
): Canonical {
  const to = Math.max(0, source.length - tail)
  const first = canonicalInto(source, { from: 0, to, isLast }, { target, at: 0 })
  const range = { from: first.read, to: source.length, isLast }
  const { read, written } = canonicalInto(source, range, { target, at: first.written })
  const checkpoint = { source: first.read, canonical: first.written }
  return { bytes: target.subarray(0, written), end: read, checkpoint }
}

/**
 * The canonical form of a large text, block by block. Blocks overlap by `overlap` bytes, so that what is shorter is whole
 * in one of them. The buffer is used again for the next block.
 */
export function* canonicalBlocks(source: Buffer, overlap: number): Generator<Buffer> {
  const target = Buffer.allocUnsafe(Math.min(source.length, BLOCK + LONGEST) + overlap + ROOM)
  let kept = 0
  for (let from = 0; from < source.length;) {
    const range = { from, to: Math.min(source.length, from + BLOCK), isLast: true }
    const { read, written } = canonicalInto(source, range, { target, at: kept })
    yield target.subarray(0, written)
    from = read
    target.copyWithin(0, Math.max(0, written - overlap), written)
    kept = Math.min(written, overlap)
  }
}

/** A unit that begins before the end of a block may give a few bytes more. */
const LONGEST = 8

interface Range {
  readonly from: number
  /** No unit begins at or behind it. */
  readonly to: number
  readonly isLast: boolean
}

interface Desktop {
  readonly target: Buffer
  readonly at: number
}

/** Where the reading, and the writing, go on. */
interface Progress {
  readonly read: number
  readonly written: number
}

function canonicalInto(source: Buffer, range: Range, desktop: Desktop): Progress {
  const passes = passesFor(range.to - range.from)
  return passes === undefined ? byPairs(source, range, desktop) : byBlocks(source, range, { ...desktop, passes })
}

/** Block by block: by passes, and where one turns out to be full of escapes, the next without. */
function byBlocks(source: Buffer, { from, to, isLast }: Range, { target, at, passes }: PassDesktop): Progress {
  let progress: Progress & { readonly isDense?: boolean } = { read: from, written: at }
  while (progress.read < to) {
    const range = { from: progress.read, to: Math.min(to, progress.read + BLOCK_BYTES), isLast }
    const desktop = { target, at: progress.written }
    progress =
      progress.isDense === true ? byPairs(source, range, desktop) : byPass(source, range, { ...desktop, passes })
    // An escape that may go on.
    if (progress.read < range.to && progress.isDense !== true) break
  }
  return progress
}

interface PassDesktop extends Desktop {
  readonly passes: Passes
}

/** Of at most a block. Ends early where there are many escapes, each of which interrupts the pass. */
function byPass(
  source: Buffer,
  { from, to, isLast }: Range,
  { target, at, passes }: PassDesktop,
): Progress & { readonly isDense: boolean } {
  const reader = new UnitReader(source, isLast)
  const copy = passes.compacting(source.subarray(from, to), DROPPED_SET, MARK_SET)
  let read = from
  let length = 0
  let isDense = false
  for (let escapes = 0; read < to && !isDense; escapes += 1) {
    if (KINDS[source[read] as number] !== MARK) {
      length = copy(read - from, length)
      read = from + passes.read
      if (read >= to) break
    }
    const escape = escapeAt(source, read, reader)
    if (escape === MORE) break
    length += writeCanonical(passes.written, length, escape)
    read = escape.end
    isDense = escapes * MOST_ESCAPES > LEAST_SEEN + read - from
  }
  return { read, written: at + passes.written.copy(target, at, 0, length), isDense }
}

/** Escapes are many where there is more than one in so many bytes, of which some must be seen first. */
const MOST_ESCAPES = 256
const LEAST_SEEN = 4096

function byPairs(source: Buffer, { from, to, isLast }: Range, { target, at }: Desktop): Progress {
  const odd = source.byteOffset & 1
  const halves = new Uint16Array(source.buffer, source.byteOffset - odd, (source.length + odd) >> 1)
  const reader = new UnitReader(source, isLast)
  let read = from
  let written = at
  while (read < to) {
    if (((read + odd) & 1) === 0 && read + 1 < to) {
      const last = ((to + odd) >> 1) - 1
      const first = (read + odd) >> 1
      const state = copyPairs(halves, { first, last }, { target, written })
      read = (state.next << 1) - odd
      written = state.written
      if (read >= to) break
    }
    const byte = source[read] as number
    const kind = KINDS[byte] as number
    if (kind === MARK) {
      const escape = escapeAt(source, read, reader)
      if (escape === MORE) break
      written += writeCanonical(target, written, escape)
      read = escape.end
    } else {
      if (kind === KEPT) target[written++] = byte
      read += 1
    }
  }
  return { read, written }
}

/** Up to a pair with a mark. */
function copyPairs(
  halves: Uint16Array,
  { first, last }: { readonly first: number; readonly last: number },
  { target, written }: { readonly target: Buffer; readonly written: number },
): { readonly next: number; readonly written: number } {
  const pairs = PAIRS
  let to = written
  let at = first
  for (; at <= last; at += 1) {
    const pair = pairs[halves[at] as number] as number
    if (pair < 0) break
    target[to] = pair & 0xff
    target[to + 1] = (pair >>> 8) & 0xff
    to += pair >>> 16
  }
  return { next: at, written: to }
}

/** What a mark begins; the mark itself where it begins no escape. */
function escapeAt(source: Buffer, at: number, reader: UnitReader): Unit | typeof MORE {
  const letter = source[at + 1]
  if (source[at] === BACKSLASH && letter !== undefined) {
    // Most backslashes are those of JSON: `\n`, `\"`.
    if (SIMPLE_ESCAPES[letter] === 1) return { code: 0x0a, end: at + 2, isByte: true }
    const code = letter === 0x75 ? (hexByteAt(source, at + 2) << 8) | hexByteAt(source, at + 4) : -1
    if (code >= 0x80 && (code < 0xd800 || code > 0xdfff)) return { code, end: at + 6, isByte: false }
  }
  return reader.at(at)
}

/** Appends what of a unit is kept; returns how many bytes that are. A lone surrogate is nothing. */
function writeCanonical(target: Buffer, at: number, unit: Unit): number {
  const length = canonicalLength(unit)
  if (length === 0) return 0
  if (length === 1) target[at] = unit.code
  else if (length === 2) {
    target[at] = 0xc0 | (unit.code >> 6)
    target[at + 1] = 0x80 | (unit.code & 0x3f)
  } else if (length === 3) {
    target[at] = 0xe0 | (unit.code >> 12)
    target[at + 1] = 0x80 | ((unit.code >> 6) & 0x3f)
    target[at + 2] = 0x80 | (unit.code & 0x3f)
  } else target.write(String.fromCodePoint(unit.code), at)
  return length
}

function canonicalLength({ code, isByte }: Unit): number {
  if (isByte || code < 0x80) return code === BACKSLASH || KINDS[code] === DROPPED ? 0 : 1
  if (code < 0x800) return 2
  if (code < 0x10000) return code >= 0xd800 && code <= 0xdfff ? 0 : 3
  return 4
}

/** Walks a source along its canonical form, to tell where in it something stands. Positions are asked in ascending order. */
export class CanonicalWalk {
  readonly #source: Buffer
  readonly #isLast: boolean
  readonly #reader: UnitReader
  #start: number
  #written: number

  /** `from` is where a unit begins. */
  constructor(source: Buffer, isLast: boolean, from: Place = { source: 0, canonical: 0 }) {
    this.#source = source
    this.#isLast = isLast
    this.#reader = new UnitReader(source, isLast)
    this.#start = from.source
    this.#written = from.canonical
  }

  /** Another walk from here. */
  fork(): CanonicalWalk {
    return new CanonicalWalk(this.#source, this.#isLast, { source: this.#start, canonical: this.#written })
  }

  /** Where the unit that gave the canonical byte `offset` begins, and where it ends. */
  unitOf(offset: number): { readonly start: number; readonly end: number } {
    for (let unit = this.#unit(); unit !== undefined; unit = this.#unit()) {
      if (this.#written + unit.length > offset) return { start: this.#start, end: unit.end }
      this.#pass(unit)
    }
    throw new RangeError('the canonical form is shorter')
  }

  /** Where the unit begins that `offset` of the source lies in; itself when it lies behind all that can be read. */
  boundaryAt(offset: number): number {
    for (let unit = this.#unit(); unit !== undefined && this.#start < offset; unit = this.#unit()) {
      if (unit.end > offset) return this.#start
      this.#pass(unit)
    }
    return Math.min(offset, this.#start)
  }

  /** Whether a line ends before `count` more canonical bytes were read. */
  endsLineWithin(count: number): boolean {
    const stop = this.#written + count
    for (let unit = this.#unit(); unit !== undefined && this.#written < stop; unit = this.#unit()) {
      const byte = this.#source[this.#start]
      if (byte === 0x0a || byte === 0x0d) return true
      this.#pass(unit)
    }
    return false
  }

  #pass(unit: { readonly end: number; readonly length: number }): void {
    this.#written += unit.length
    this.#start = unit.end
  }

  /** Undefined at the end, and where it depends on what follows. */
  #unit(): { readonly end: number; readonly length: number } | undefined {
    const byte = this.#source[this.#start]
    if (byte === undefined) return undefined
    const kind = KINDS[byte] as number
    if (kind !== MARK) return { end: this.#start + 1, length: kind === KEPT ? 1 : 0 }
    const escape = escapeAt(this.#source, this.#start, this.#reader)
    return escape === MORE ? undefined : { end: escape.end, length: canonicalLength(escape) }
  }
}

/** Written without a list for each pair: there are 65 536. */
function pairTable(): Int32Array {
  const table = new Int32Array(65_536).fill(WITH_MARK)
  const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
  for (let first = 0; first < 256; first += 1) {
    for (let second = 0; second < 256; second += 1) {
      const one = KINDS[first]
      const other = KINDS[second]
      if (one === MARK || other === MARK) continue
      const pair = isLittleEndian ? first | (second << 8) : (first << 8) | second
      if (one === DROPPED) table[pair] = other === DROPPED ? 0 : second | (1 << 16)
      else table[pair] = other === DROPPED ? first | (1 << 16) : first | (second << 8) | (2 << 16)
    }
  }
  return table
}
