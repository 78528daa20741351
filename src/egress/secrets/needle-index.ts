/**
 * Finds any of many byte strings in one pass, whatever their number: Wu and Manber's algorithm ("A fast algorithm for
 * multi-pattern searching", TR-94-17). It looks at the end of a window as long as the shortest needle; a pair (or
 * triple) of bytes that stands in no needle moves the window by almost its whole length.
 * Immutable. Positions are byte offsets. Nothing is allocated while searching.
 */
export class NeedleIndex {
  /** Sorted by bytes, without duplicates; searches answer with positions in this list. */
  readonly needles: readonly Buffer[]
  readonly #window: number
  readonly #longest: number
  readonly #block: 1 | 2 | 3
  /** How far the window may move when its last block has this key; 0: a needle may start here. */
  readonly #shift: Uint8Array
  /** Needles whose window ends in a block with this key, longest first. */
  readonly #candidates: ReadonlyMap<number, readonly number[]>
  readonly #firstBytes: Uint8Array

  /** Throws a RangeError for an empty needle: it would be everywhere. */
  constructor(needles: Iterable<Buffer>) {
    this.needles = sortedUnique(needles)
    const lengths = this.needles.map(({ length }) => length)
    if (lengths.includes(0)) throw new RangeError('a needle is empty')
    this.#longest = Math.max(0, ...lengths)
    this.#window = Math.min(255, ...lengths)
    // Pairs are cheaper to read; with many needles every pair of letters is in one of them, and triples still tell.
    this.#block = this.#window >= 6 && this.needles.length > 32 ? 3 : this.#window >= 2 ? 2 : 1
    this.#firstBytes = new Uint8Array(256)
    for (const needle of this.needles) this.#firstBytes[needle[0] as number] = 1
    this.#shift = this.#shiftTable()
    this.#candidates = this.#candidateTable()
  }

  get isEmpty(): boolean {
    return this.needles.length === 0
  }

  /** Where the first needle starts in `bytes` from `from` on and ends before `end`; -1 when there is none. */
  indexOf(bytes: Buffer, from = 0, end = bytes.length): number {
    if (this.isEmpty) return -1
    const block = this.#block
    const shift = this.#shift
    for (let last = from + this.#window - 1; last < end;) {
      const step = shift[
        block === 2 ? pairAt(bytes, last) : block === 3 ? tripleAt(bytes, last) : (bytes[last] as number)
      ] as number
      if (step !== 0) {
        last += step
        continue
      }
      const start = last - this.#window + 1
      if (this.longestAt(bytes, start, end) !== -1) return start
      last += 1
    }
    return -1
  }

  /** Which needle stands at `start` and ends before `end`, the longest of them; -1 when there is none. */
  longestAt(bytes: Buffer, start: number, end = bytes.length): number {
    const last = start + this.#window - 1
    if (last >= end) return -1
    for (const candidate of this.#candidates.get(this.#keyAt(bytes, last)) ?? []) {
      const needle = this.needles[candidate] as Buffer
      if (start + needle.length <= end && startsWith(bytes, start, needle, needle.length)) return candidate
    }
    return -1
  }

  /** The first position from which all of `bytes` up to its end is the start, but not the whole, of a needle; its length when none is. */
  unfinishedFrom(bytes: Buffer): number {
    for (let at = Math.max(0, bytes.length - this.#longest + 1); at < bytes.length; at += 1) {
      if (this.#firstBytes[bytes[at] as number] === 1 && this.#beginsNeedle(bytes, at)) return at
    }
    return bytes.length
  }

  /** Binary search: needles that start with the rest of `bytes` follow each other in the sorted list. */
  #beginsNeedle(bytes: Buffer, at: number): boolean {
    let low = 0
    let high = this.needles.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBelow(this.needles[middle] as Buffer, bytes, at)) low = middle + 1
      else high = middle
    }
    const length = bytes.length - at
    const first = this.needles[low]
    const candidate = first?.length === length ? this.needles[low + 1] : first
    return candidate !== undefined && candidate.length > length && startsWith(bytes, at, candidate, length)
  }

  #keyAt(bytes: Buffer, last: number): number {
    return this.#block === 2 ? pairAt(bytes, last) : this.#block === 3 ? tripleAt(bytes, last) : (bytes[last] as number)
  }

  #shiftTable(): Uint8Array {
    const table = new Uint8Array(1 << 16).fill(Math.max(0, this.#window - this.#block + 1))
    for (const needle of this.needles) {
      for (let last = this.#block - 1; last < this.#window; last += 1) {
        const key = this.#keyAt(needle, last)
        table[key] = Math.min(table[key] as number, this.#window - 1 - last)
      }
    }
    return table
  }

  #candidateTable(): Map<number, number[]> {
    const longestFirst = this.needles
      .map((needle, position) => ({ needle, position }))
      .toSorted((a, b) => b.needle.length - a.needle.length)
    const table = new Map<number, number[]>()
    for (const { needle, position } of longestFirst) {
      const key = this.#keyAt(needle, this.#window - 1)
      const candidates = table.get(key)
      if (candidates === undefined) table.set(key, [position])
      else candidates.push(position)
    }
    return table
  }
}

function pairAt(bytes: Buffer, last: number): number {
  return ((bytes[last - 1] as number) << 8) | (bytes[last] as number)
}

/** A hash of 16 bits: triples that share one cost a look, never a match. */
function tripleAt(bytes: Buffer, last: number): number {
  return (((bytes[last - 2] as number) << 10) ^ ((bytes[last - 1] as number) << 5) ^ (bytes[last] as number)) & 0xffff
}

function startsWith(bytes: Buffer, start: number, needle: Buffer, length: number): boolean {
  for (let i = 0; i < length; i += 1) {
    if (bytes[start + i] !== needle[i]) return false
  }
  return true
}

/** Whether `needle` sorts before the rest of `bytes` from `at`. */
function isBelow(needle: Buffer, bytes: Buffer, at: number): boolean {
  const length = bytes.length - at
  for (let i = 0; i < length; i += 1) {
    if (i === needle.length) return true
    const difference = (needle[i] as number) - (bytes[at + i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

function sortedUnique(needles: Iterable<Buffer>): Buffer[] {
  const sorted = [...needles].toSorted((a, b) => a.compare(b))
  return sorted.filter((needle, position) => position === 0 || !needle.equals(sorted[position - 1] as Buffer))
}
