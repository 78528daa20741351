import { PairFinder, startsWith, type Finder } from './pair-finder.ts'
import { hashOf, LEAST_LENGTH, wordAt, WordFinder } from './word-finder.ts'

/** Two finders take turns in stretches of at least this many bytes, so that neither runs far past what the other finds. */
const STRETCH = 1024

/**
 * Finds any of many byte strings, whatever their number. Immutable. Positions are byte offsets. Nothing is allocated
 * while searching.
 */
export class NeedleIndex {
  /** Sorted by bytes, without duplicates; searches answer with positions in this list. */
  readonly needles: readonly Buffer[]
  readonly longest: number
  /** Infinity when there are no needles. */
  readonly shortest: number
  readonly #finder: Finder | undefined
  /** For long needles where there are short ones too. */
  readonly #other: Finder | undefined
  /** For each needle the longest other one that it begins with, or -1. */
  readonly #parents: Int32Array
  readonly #firstBytes = new Uint8Array(256)
  /** By a hash of their first four bytes: whether a needle may begin so. */
  readonly #beginnings = new Uint8Array(1 << 16)

  /** Throws a RangeError for an empty needle: it would be everywhere. */
  constructor(needles: Iterable<Buffer>) {
    this.needles = sortedUnique(needles)
    if (this.needles[0]?.length === 0) throw new RangeError('a needle is empty')
    this.longest = this.needles.reduce((most, { length }) => Math.max(most, length), 0)
    this.shortest = this.needles.reduce((least, { length }) => Math.min(least, length), Infinity)
    const [short, long] = [
      this.needles.filter(({ length }) => length < LEAST_LENGTH),
      this.needles.filter(({ length }) => length >= LEAST_LENGTH),
    ]
    const forLong = long.length > 0 ? new WordFinder(long) : undefined
    this.#finder = short.length > 0 ? new PairFinder(short) : forLong
    this.#other = short.length > 0 ? forLong : undefined
    this.#parents = parentsOf(this.needles)
    for (const needle of this.needles) {
      this.#firstBytes[needle[0] as number] = 1
      if (needle.length > 4) this.#beginnings[beginningOf(needle, 0)] = 1
    }
  }

  get isEmpty(): boolean {
    return this.needles.length === 0
  }

  /** Where the first needle starts in `bytes` from `from` on and ends before `end`; -1 when there is none. */
  indexOf(bytes: Buffer, from = 0, end = bytes.length): number {
    const one = this.#finder
    const other = this.#other
    if (one === undefined) return -1
    if (other === undefined) return one.indexOf(bytes, from, { end, before: end })
    for (let [start, size] = [from, STRETCH]; start < end; [start, size] = [start + size, size * 2]) {
      const bounds = { end, before: Math.min(end, start + size) }
      const [first, second] = [one.indexOf(bytes, start, bounds), other.indexOf(bytes, start, bounds)]
      if (first !== -1 || second !== -1) return first === -1 || (second !== -1 && second < first) ? second : first
    }
    return -1
  }

  /** Which needle stands at `start` and ends before `end`, the longest of them; -1 when there is none. */
  longestAt(bytes: Buffer, start: number, end = bytes.length): number {
    // A needle that stands here, and what is sorted between it and the text, begin with it.
    let found = this.#lastUpTo(bytes, start, end)
    while (found !== -1 && !standsAt(bytes, start, this.needles[found] as Buffer, end)) {
      found = this.#parents[found] as number
    }
    return found
  }

  /**
   * The first position, from `from` on, from which all of `bytes` up to its end is the start, but not the whole, of a
   * needle; its length when none is.
   */
  unfinishedFrom(bytes: Buffer, from = 0): number {
    for (let at = Math.max(from, bytes.length - this.longest + 1); at < bytes.length; at += 1) {
      const mayBegin =
        bytes.length - at < 4
          ? this.#firstBytes[bytes[at] as number] === 1
          : this.#beginnings[beginningOf(bytes, at)] === 1
      if (mayBegin && this.#beginsNeedle(bytes, at)) return at
    }
    return bytes.length
  }

  /** The last needle in the list that does not sort after the text at `start`; -1 when all do. */
  #lastUpTo(bytes: Buffer, start: number, end: number): number {
    let low = 0
    let high = this.needles.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareAt(this.needles[middle] as Buffer, bytes, start, end) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Binary search: needles that start with the rest of `bytes` follow each other in the sorted list. */
  #beginsNeedle(bytes: Buffer, at: number): boolean {
    let low = 0
    let high = this.needles.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareAt(this.needles[middle] as Buffer, bytes, at, bytes.length) < 0) low = middle + 1
      else high = middle
    }
    const length = bytes.length - at
    const first = this.needles[low]
    const candidate = first?.length === length ? this.needles[low + 1] : first
    return candidate !== undefined && candidate.length > length && startsWith(bytes, at, candidate, length)
  }
}

function standsAt(bytes: Buffer, start: number, needle: Buffer, end: number): boolean {
  return start + needle.length <= end && startsWith(bytes, start, needle)
}

/** Negative, 0 or positive as `needle` sorts before, like or after `bytes` from `at` to `end`. */
function compareAt(needle: Buffer, bytes: Buffer, at: number, end: number): number {
  const shared = Math.min(needle.length, end - at)
  for (let i = 0; i < shared; i += 1) {
    const difference = (needle[i] as number) - (bytes[at + i] as number)
    if (difference !== 0) return difference
  }
  return needle.length - (end - at)
}

function parentsOf(sorted: readonly Buffer[]): Int32Array {
  const parents = new Int32Array(sorted.length).fill(-1)
  const open: number[] = []
  for (const [position, needle] of sorted.entries()) {
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      if (startsWith(needle, 0, sorted[last] as Buffer)) break
      open.pop()
    }
    parents[position] = open.at(-1) ?? -1
    open.push(position)
  }
  return parents
}

function beginningOf(bytes: Buffer, at: number): number {
  return hashOf(wordAt(bytes, at)) & 0xffff
}

function sortedUnique(needles: Iterable<Buffer>): Buffer[] {
  // Most differ in their first bytes: that is told here sooner than by Buffer.compare.
  const sorted = [...needles].toSorted((a, b) => compareAt(a, b, 0, b.length))
  return sorted.filter((needle, position) => position === 0 || !needle.equals(sorted[position - 1] as Buffer))
}
