import { roughSet, type ByteSet } from '../simd/byte-set.ts'
import { BLOCK_BYTES, passesFor, RUN_BYTES, type Passes } from '../simd/passes.ts'
import { GRAM } from './telling.ts'

/** A text, and where its grams of eight bytes that are looked for begin. */
export interface IndexedText {
  readonly text: Buffer
  readonly least: number
  readonly offsets: readonly number[]
}

/** Where bytes and a text are the same: `text` is its position in the list. */
export interface Piece {
  readonly text: number
  /** In the text. */
  readonly offset: number
  /** In the bytes. */
  readonly at: number
  readonly length: number
}

/** A gram that so many texts share is a prefix that all credentials of its kind have. */
const MOST_SHARED = 8

/**
 * Finds pieces of known texts in bytes: an open hash table of the grams of all texts, each hit checked and made as long as
 * it is. Immutable.
 */
export class GramIndex {
  readonly #texts: readonly IndexedText[]
  /** By hash: one more than the gram's number, 0 where there is none. */
  readonly #table: Int32Array
  readonly #shift: number
  /** One bit for the hash of each gram's first four bytes: what most places fail at. */
  readonly #heads: Int32Array
  readonly #headShift: number
  /** By the gram's number. */
  readonly #text: Int32Array
  readonly #offset: Int32Array
  /** Of all bytes in the texts. Made for the first content that is worth a pass. */
  #set: ByteSet | undefined

  constructor(texts: readonly IndexedText[]) {
    this.#texts = texts
    const count = texts.reduce((sum, { offsets }) => sum + offsets.length, 0)
    const bits = Math.max(8, Math.ceil(Math.log2(count + 1)) + 1)
    const headBits = Math.min(22, bits + 4)
    this.#table = new Int32Array(1 << bits)
    this.#shift = 32 - bits
    this.#heads = new Int32Array(1 << (headBits - 5))
    this.#headShift = 32 - headBits
    this.#text = new Int32Array(count)
    this.#offset = new Int32Array(count)
    this.#fill()
  }

  get isEmpty(): boolean {
    return this.#text.length === 0
  }

  /**
   * Calls `found` with each piece of at least its text's least length that has a gram which begins between `from` and
   * `end`. Looks at every `step`th place only: pieces of `step + 7` bytes are found all the same.
   */
  search(
    bytes: Uint8Array,
    { from, end, step }: { readonly from: number; readonly end: number; readonly step: number },
    found: (piece: Piece) => void,
  ): void {
    const last = Math.min(end - 1, bytes.length - GRAM)
    const passes = step === 1 ? undefined : passesFor(last - from)
    if (passes !== undefined) return this.#searchRuns(bytes, { from, last, step, passes }, found)
    for (let at = from; at <= last;) {
      const hit = step === 1 ? this.#nextHead(bytes, at, last) : this.#nextHeadBy(bytes, step, { at, last })
      if (hit > last) return
      const after = this.#searchAt(bytes, hit, found)
      at = after > hit ? Math.max(hit + step, after - GRAM + 1) : hit + step
    }
  }

  /** The same places, as far as they lie in a run of bytes that the texts are made of: a run is as long as a gram. */
  #searchRuns(
    bytes: Uint8Array,
    {
      from,
      last,
      step,
      passes,
    }: { readonly from: number; readonly last: number; readonly step: number; readonly passes: Passes },
    found: (piece: Piece) => void,
  ): void {
    const set = (this.#set ??= roughSet(new Set(this.#texts.flatMap(({ text }) => [...text]))))
    let at = from
    // A gram that goes over the end of a block is in the next one.
    for (let start = from; start <= last; start += BLOCK_BYTES - GRAM + 1) {
      const end = Math.min(last + GRAM, start + BLOCK_BYTES)
      const edges = passes.found.slice(0, passes.runs(bytes.subarray(start, end), set))
      for (let edge = 0; edge < edges.length; edge += 2) {
        const begin = start + (edges[edge] as number) - RUN_BYTES + 1
        const lastInRun = start + (edges[edge + 1] ?? end - start) - GRAM
        if (at < begin) at += Math.ceil((begin - at) / step) * step
        while (at <= lastInRun) {
          const after = this.#mayBegin(bytes, at) ? this.#searchAt(bytes, at, found) : at
          at = after > at ? Math.max(at + step, after - GRAM + 1) : at + step
        }
      }
    }
  }

  /** The first place from `at` on where a gram may begin; past `last` when there is none. */
  #nextHead(bytes: Uint8Array, at: number, last: number): number {
    const heads = this.#heads
    const shift = this.#headShift
    let word = wordAt(bytes, at)
    for (let place = at; place <= last; place += 1) {
      const head = Math.imul(word, HEAD_FACTOR) >>> shift
      if (((heads[head >>> 5] as number) & (1 << (head & 31))) !== 0) return place
      word = (word >>> 8) | ((bytes[place + 4] as number) << 24)
    }
    return last + 1
  }

  #nextHeadBy(bytes: Uint8Array, step: number, { at, last }: { readonly at: number; readonly last: number }): number {
    const heads = this.#heads
    const shift = this.#headShift
    for (let place = at; place <= last; place += step) {
      const head = Math.imul(wordAt(bytes, place), HEAD_FACTOR) >>> shift
      if (((heads[head >>> 5] as number) & (1 << (head & 31))) !== 0) return place
    }
    return last + 1
  }

  #mayBegin(bytes: Uint8Array, at: number): boolean {
    const head = Math.imul(wordAt(bytes, at), HEAD_FACTOR) >>> this.#headShift
    return ((this.#heads[head >>> 5] as number) & (1 << (head & 31))) !== 0
  }

  /** Where the longest piece that was found ends; `at` when there is none. */
  #searchAt(bytes: Uint8Array, at: number, found: (piece: Piece) => void): number {
    if (this.#table[hashAt(bytes, at) >>> this.#shift] === 0) return at
    const grams = this.#gramsAt(bytes, at)
    if (grams.length > MOST_SHARED) return at
    let furthest = at
    for (const gram of grams) {
      const position = this.#text[gram] as number
      const { text, least } = this.#texts[position] as IndexedText
      const offset = this.#offset[gram] as number
      let before = 0
      while (before < at && before < offset && bytes[at - before - 1] === text[offset - before - 1]) before += 1
      let end = GRAM
      while (at + end < bytes.length && offset + end < text.length && bytes[at + end] === text[offset + end]) end += 1
      if (before + end < least) continue
      furthest = Math.max(furthest, at + end)
      found({ text: position, offset: offset - before, at: at - before, length: before + end })
    }
    return furthest
  }

  #gramsAt(bytes: Uint8Array, at: number): number[] {
    const grams: number[] = []
    for (let slot = hashAt(bytes, at) >>> this.#shift; ; slot = (slot + 1) & (this.#table.length - 1)) {
      const gram = (this.#table[slot] as number) - 1
      if (gram === -1) return grams
      const { text } = this.#texts[this.#text[gram] as number] as IndexedText
      if (isSame(bytes, at, text, this.#offset[gram] as number)) grams.push(gram)
    }
  }

  #fill(): void {
    let gram = 0
    for (const [position, { text, offsets }] of this.#texts.entries()) {
      for (const offset of offsets) {
        const slot = this.#freeSlot(text, offset)
        if (slot === -1) continue
        this.#text[gram] = position
        this.#offset[gram] = offset
        gram += 1
        this.#table[slot] = gram
        const head = Math.imul(wordAt(text, offset), HEAD_FACTOR) >>> this.#headShift
        this.#heads[head >>> 5] = (this.#heads[head >>> 5] as number) | (1 << (head & 31))
      }
    }
  }

  /** -1 when more texts than that have this gram already. */
  #freeSlot(text: Buffer, offset: number): number {
    let shared = 0
    let slot = hashAt(text, offset) >>> this.#shift
    for (; this.#table[slot] !== 0; slot = (slot + 1) & (this.#table.length - 1)) {
      const gram = (this.#table[slot] as number) - 1
      const other = (this.#texts[this.#text[gram] as number] as IndexedText).text
      if (isSame(text, offset, other, this.#offset[gram] as number)) shared += 1
      if (shared > MOST_SHARED) return -1
    }
    return slot
  }
}

const HEAD_FACTOR = 0x9e3779b1
const TAIL_FACTOR = 0x85ebca6b

/** Four bytes as one number. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

function hashAt(bytes: Uint8Array, at: number): number {
  const mixed = Math.imul(wordAt(bytes, at), HEAD_FACTOR) ^ Math.imul(wordAt(bytes, at + 4), TAIL_FACTOR)
  return Math.imul(mixed ^ (mixed >>> 15), HEAD_FACTOR)
}

function isSame(bytes: Uint8Array, at: number, text: Uint8Array, offset: number): boolean {
  for (let index = 0; index < GRAM; index += 1) {
    if (bytes[at + index] !== text[offset + index]) return false
  }
  return true
}
