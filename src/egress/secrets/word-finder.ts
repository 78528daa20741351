import { endianness } from 'node:os'
import { startsWith, type Finder } from './pair-finder.ts'

/** So long must a needle be that one of the words below lies in it wherever it stands. */
export const LEAST_LENGTH = 7

/** Beyond the first letters, which keys of one kind have in common. */
const FURTHEST = 12

/**
 * For needles of seven bytes and more, thousands of them at the cost of one: it looks at every fourth word of four bytes
 * only, because each needle, wherever it begins, has one of four words of its own there. A filter of bits tells the
 * words that stand in no needle, in the way of Bloom ("Space/time trade-offs in hash coding", CACM 13, 1970).
 */
export class WordFinder implements Finder {
  readonly #needles: readonly Buffer[]
  readonly #filter: Uint8Array
  /** By hash of a word, one more than the number of the first place that has it; 0: none. */
  readonly #first: Int32Array
  /** By place, the next one of the same hash likewise. Each needle has four, by the offsets of its words. */
  readonly #next: Int32Array
  /** By place. */
  readonly #words: Int32Array
  #reach = 0

  constructor(needles: readonly Buffer[]) {
    const bits = Math.min(21, Math.max(14, Math.ceil(Math.log2(needles.length * 4 * 64))))
    this.#needles = needles
    this.#filter = new Uint8Array(1 << (bits - 3))
    this.#first = new Int32Array(1 << Math.min(20, Math.ceil(Math.log2(needles.length * 4))))
    this.#next = new Int32Array(needles.length * 4)
    this.#words = new Int32Array(needles.length * 4)
    for (const [position, needle] of needles.entries()) this.#add(needle, position)
  }

  indexOf(bytes: Buffer, from: number, { end, before }: { readonly end: number; readonly before: number }): number {
    // Words that are aligned in memory are read in one piece.
    const words = alignedWords(bytes)
    const first = -bytes.byteOffset & 3
    const last = (end - 4 - first) >> 2
    let best = before
    for (let index = Math.max(0, (from - first + 3) >> 2); ; index += 1) {
      index = nextKnown(words, index, { filter: this.#filter, last: Math.min(last, (best + this.#reach - first) >> 2) })
      if (index === -1) return best === before ? -1 : best
      const start = this.#startAt(bytes, first + index * 4, { word: words[index] as number, from, end, before: best })
      if (start !== -1) best = start
    }
  }

  #startAt(
    bytes: Buffer,
    at: number,
    { word, from, end, before }: { readonly word: number; readonly from: number; readonly end: number; before: number },
  ): number {
    let best = before
    for (
      let place = this.#first[hashOf(word) & (this.#first.length - 1)] as number;
      place !== 0;
      place = this.#next[place - 1] as number
    ) {
      if (this.#words[place - 1] !== word) continue
      const needle = this.#needles[(place - 1) >> 2] as Buffer
      const start = at - (firstOffset(needle) + ((place - 1) & 3))
      if (start >= from && start < best && start + needle.length <= end && startsWith(bytes, start, needle))
        best = start
    }
    return best === before ? -1 : best
  }

  #add(needle: Buffer, position: number): void {
    const offset = firstOffset(needle)
    for (let index = 0; index < 4; index += 1) {
      const word = wordAt(needle, offset + index)
      this.#mark(hashOf(word))
      this.#mark(otherHashOf(word))
      const slot = hashOf(word) & (this.#first.length - 1)
      const place = position * 4 + index
      this.#words[place] = word
      this.#next[place] = this.#first[slot] as number
      this.#first[slot] = place + 1
    }
    this.#reach = Math.max(this.#reach, offset + 3)
  }

  #mark(hash: number): void {
    const bit = hash & (this.#filter.length * 8 - 1)
    this.#filter[bit >>> 3] = (this.#filter[bit >>> 3] as number) | (1 << (bit & 7))
  }
}

/** Where the first of a needle's four words begins. */
function firstOffset(needle: Buffer): number {
  return Math.min(FURTHEST, needle.length - LEAST_LENGTH)
}

function otherHashOf(word: number): number {
  return Math.imul(word ^ (word >>> 15), 0x85ebca6b) >>> 9
}

/** The first word from `index` to `last` whose bits are set in the filter; -1 when there is none. */
function nextKnown(
  words: Int32Array,
  index: number,
  { filter, last }: { readonly filter: Uint8Array; readonly last: number },
): number {
  const mask = filter.length * 8 - 1
  for (let at = index; at <= last; at += 1) {
    const bit = hashOf(words[at] as number) & mask
    if (((filter[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
    const other = otherHashOf(words[at] as number) & mask
    if (((filter[other >>> 3] as number) & (1 << (other & 7))) !== 0) return at
  }
  return -1
}

/** Knuth's multiplicative hash by the golden ratio, its upper 23 bits. */
export function hashOf(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> 9
}

/** Four bytes as this machine reads them. */
export function wordAt(bytes: Buffer, at: number): number {
  return IS_LITTLE ? bytes.readInt32LE(at) : bytes.readInt32BE(at)
}

const IS_LITTLE = endianness() === 'LE'

/** What of the bytes lies in whole words, as such. */
export function alignedWords(bytes: Buffer): Int32Array {
  const first = -bytes.byteOffset & 3
  return bytes.length < first + 4
    ? new Int32Array()
    : new Int32Array(bytes.buffer, bytes.byteOffset + first, (bytes.length - first) >> 2)
}
