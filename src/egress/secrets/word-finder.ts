import { endianness } from 'node:os'
import { roughSet } from '../simd/byte-set.ts'
import { BLOCK_BYTES, passesFor, type Passes } from '../simd/passes.ts'
import { startsWith, type Finder } from './pair-finder.ts'

/** So long must a needle be that one of the words below lies in it wherever it stands. */
export const LEAST_LENGTH = 7

/** Beyond the first letters, which keys of one kind have in common. */
const FURTHEST = 12

/** A filter of so many bytes is in the processor's first cache. */
const CACHED = 32_768

/** So many words are looked at one by one before a pass; one of them looks at so many. */
const NEAR_WORDS = 256
const BLOCK_WORDS = BLOCK_BYTES >> 2

/** How many more places are tried for words that ordinary text does not have. */
const TRIED = 64

/** What the words of some needles are, of those whose bytes are of the same kinds. */
const MIXED = 1
const LIKE_TEXT = 2
/** Bits for the words that are like text, few of which are chosen. */
const FEW_BITS = 65_536

interface Search {
  readonly bytes: Buffer
  readonly words: Int32Array
  /** Where the first word begins. */
  readonly first: number
  readonly from: number
  readonly end: number
  /** What is looked for begins before it: the first start that was found so far. */
  best: number
}

/**
 * For needles of seven bytes and more, thousands of them at the cost of one: it looks at every fourth word of four bytes
 * only, because each needle, wherever it begins, has one of four words of its own there. A first, small filter tells by
 * the kinds of the bytes that a word stands in no needle: those of text are small letters or digits only, those of keys
 * are mixed, and such are chosen. A second, of bits, goes by the word itself, in the way of Bloom ("Space/time trade-offs
 * in hash coding", CACM 13, 1970).
 */
export class WordFinder implements Finder {
  readonly #needles: readonly Buffer[]
  /** By needle, where the first of its four words begins. */
  readonly #offsets: Uint8Array
  /** By the kinds of a word's bytes: what words of needles are like that, if any. */
  readonly #kinds = new Uint8Array(1 << 12)
  readonly #likeText = new Uint8Array(FEW_BITS >>> 3)
  readonly #filter: Uint8Array
  /** By hash of a word, one more than the number of the first place that has it; 0: none. */
  readonly #first: Int32Array
  /** By place, the next one of the same hash likewise. Each needle has four, by the offsets of its words. */
  readonly #next: Int32Array
  /** By place. */
  readonly #words: Int32Array
  #reach = 0
  /** Made for the first text that is worth a pass. */
  #tables: Uint8Array | undefined

  constructor(needles: readonly Buffer[]) {
    const bits = Math.min(21, Math.max(14, Math.ceil(Math.log2(needles.length * 4 * 64))))
    this.#needles = needles
    this.#offsets = Uint8Array.from(needles, tellingOffset)
    this.#filter = new Uint8Array(1 << (bits - 3))
    this.#first = new Int32Array(1 << Math.min(20, Math.ceil(Math.log2(needles.length * 4))))
    this.#next = new Int32Array(needles.length * 4)
    this.#words = new Int32Array(needles.length * 4)
    for (const [position, needle] of needles.entries()) this.#add(needle, position)
  }

  indexOf(bytes: Buffer, from: number, { end, before }: { readonly end: number; readonly before: number }): number {
    // Words that are aligned in memory are read in one piece.
    const first = -bytes.byteOffset & 3
    const search = { bytes, words: alignedWords(bytes), first, from, end, best: before }
    const index = Math.max(0, (from - first + 3) >> 2)
    const passes = passesFor(Math.min(end, before + this.#reach) - from)
    if (passes === undefined) this.#look(search, index, Infinity)
    else {
      // Where much is found it is found near by: a pass over a block for each would take too long.
      this.#look(search, index, index + NEAR_WORDS)
      this.#lookInBlocks(search, index + NEAR_WORDS, passes)
    }
    return search.best === before ? -1 : search.best
  }

  /** From one word on and before another. */
  #look(search: Search, index: number, before: number): void {
    const filters = { kinds: this.#kinds, likeText: this.#likeText, filter: this.#filter }
    const next = this.#filter.length > CACHED ? nextOfKind : nextKnown
    for (let at = index; ; at += 1) {
      at = next(search.words, at, { ...filters, last: Math.min(before - 1, this.#lastOf(search)) })
      if (at === -1) return
      this.#lookAt(search, at)
    }
  }

  #lookInBlocks(search: Search, index: number, passes: Passes): void {
    const { bytes, words, first } = search
    const filters = { kinds: this.#kinds, likeText: this.#likeText, filter: this.#filter }
    const isLarge = this.#filter.length > CACHED
    const tables = (this.#tables ??= wordTables(this.#words))
    for (let start = index, last = this.#lastOf(search); start <= last; start += BLOCK_WORDS) {
      const block = bytes.subarray(first + start * 4, first + Math.min(start + BLOCK_WORDS, last + 1) * 4)
      const count = passes.words(block, tables)
      for (let found = 0; found < count; found += 1) {
        const at = start + (passes.found[found] as number)
        if (at > last) return
        const word = words[at] as number
        if ((isLarge && !isOfKind(word, filters)) || !isKnown(word, filters.filter)) continue
        this.#lookAt(search, at)
        last = this.#lastOf(search)
      }
    }
  }

  /** The last word that may lie in a needle which begins before what was found. */
  #lastOf({ first, end, best }: Search): number {
    return Math.min((end - 4 - first) >> 2, (best + this.#reach - first) >> 2)
  }

  #lookAt(search: Search, index: number): void {
    const { bytes, words, first, from, end, best } = search
    const start = this.#startAt(bytes, first + index * 4, { word: words[index] as number, from, end, before: best })
    if (start !== -1) search.best = start
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
      const position = (place - 1) >> 2
      const needle = this.#needles[position] as Buffer
      const start = at - ((this.#offsets[position] as number) + ((place - 1) & 3))
      if (start >= from && start < best && start + needle.length <= end && startsWith(bytes, start, needle))
        best = start
    }
    return best === before ? -1 : best
  }

  #add(needle: Buffer, position: number): void {
    const offset = this.#offsets[position] as number
    for (let index = 0; index < 4; index += 1) {
      const word = wordAt(needle, offset + index)
      // Either may have the same number as the other, where bytes are no ASCII.
      this.#kinds[kindsOf(word)]! |= isMixed(word) ? MIXED : LIKE_TEXT
      if (!isMixed(word)) mark(this.#likeText, fewHashOf(word))
      mark(this.#filter, hashOf(word))
      mark(this.#filter, otherHashOf(word))
      const slot = hashOf(word) & (this.#first.length - 1)
      const place = position * 4 + index
      this.#words[place] = word
      this.#next[place] = this.#first[slot] as number
      this.#first[slot] = place + 1
    }
    this.#reach = Math.max(this.#reach, offset + 3)
  }
}

function mark(filter: Uint8Array, hash: number): void {
  const bit = hash & (filter.length * 8 - 1)
  filter[bit >>> 3] = (filter[bit >>> 3] as number) | (1 << (bit & 7))
}

/** Where the first of a needle's four words begins: where most of them are unlike those of ordinary text. */
function tellingOffset(needle: Buffer): number {
  const last = needle.length - LEAST_LENGTH
  const usual = Math.min(FURTHEST, last)
  let best = usual
  let most = -1
  for (let offset = usual; offset <= Math.min(last, usual + TRIED) && most < 4; offset += 1) {
    let mixed = 0
    for (let index = 0; index < 4; index += 1) if (isMixed(wordAt(needle, offset + index))) mixed += 1
    if (mixed > most) [best, most] = [offset, mixed]
  }
  return best
}

/** Whether small letters, capitals and all else do not stand by themselves, as in the words and numbers of text. */
function isMixed(word: number): boolean {
  const columns = (word >>> 5) & 0x03030303
  return columns !== 0x03030303 && columns !== 0x02020202 && columns !== 0x01010101
}

/** For `Passes.words`: the bytes of all words, the column of ASCII for each upper half, and which columns go together. */
function wordTables(words: Int32Array): Uint8Array {
  const bytes = new Uint8Array(words.buffer)
  const tables = new Uint8Array(64)
  tables.set(roughSet(bytes))
  for (let half = 0; half < 16; half += 1) tables[32 + half] = columnOf(half << 4)
  for (let at = 0; at < bytes.length; at += 4) {
    const mix = bytes.subarray(at, at + 4).reduce((sum, byte) => sum | columnOf(byte), 0)
    tables[48 + mix] = 1
  }
  return tables
}

/** Controls, signs and digits, capitals, small letters: a bit for each. */
function columnOf(byte: number): number {
  return 1 << ((byte >> 5) & 3)
}

/** By the columns of ASCII that four bytes stand in: each four columns of printable characters have a number of their own. */
function kindsOf(word: number): number {
  return Math.imul(word & 0x70707070, 0x3d7989ee) >>> 20
}

function fewHashOf(word: number): number {
  return hashOf(word) >>> 7
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
  for (let at = index; at <= last; at += 1) if (isKnown(words[at] as number, filter)) return at
  return -1
}

function isKnown(word: number, filter: Uint8Array): boolean {
  const mask = filter.length * 8 - 1
  const bit = hashOf(word) & mask
  if (((filter[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false
  const other = otherHashOf(word) & mask
  return ((filter[other >>> 3] as number) & (1 << (other & 7))) !== 0
}

interface Filters {
  readonly kinds: Uint8Array
  readonly likeText: Uint8Array
  readonly filter: Uint8Array
}

/** The same, where the filter is too large to be asked about each word. */
function nextOfKind(
  words: Int32Array,
  index: number,
  { kinds, likeText, filter, last }: Filters & { readonly last: number },
): number {
  for (let at = index; at <= last; at += 1) {
    const word = words[at] as number
    if (isOfKind(word, { kinds, likeText }) && isKnown(word, filter)) return at
  }
  return -1
}

function isOfKind(word: number, { kinds, likeText }: Pick<Filters, 'kinds' | 'likeText'>): boolean {
  const kind = kinds[kindsOf(word)]
  if (kind !== LIKE_TEXT) return kind !== 0
  const few = fewHashOf(word)
  return ((likeText[few >>> 3] as number) & (1 << (few & 7))) !== 0
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
