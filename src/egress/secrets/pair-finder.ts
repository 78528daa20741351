/** Finds any of several byte strings. Positions are byte offsets; nothing is allocated while searching. */
export interface Finder {
  /** The first start in `[from, before)` of a needle that ends before `end`; -1 when there is none. */
  indexOf(bytes: Buffer, from: number, bounds: { readonly end: number; readonly before: number }): number
}

/**
 * For short needles: Wu and Manber's algorithm ("A fast algorithm for multi-pattern searching", TR-94-17). It looks at
 * the end of a window as long as the shortest needle; a pair of bytes that stands in no needle moves the window by almost
 * its whole length.
 */
export class PairFinder implements Finder {
  readonly #window: number
  readonly #block: 1 | 2
  /** How far the window may move when its last block has this key; 0: a needle may start here. */
  readonly #shift: Uint8Array
  /** Needles whose window ends in a block with this key. */
  readonly #candidates: ReadonlyMap<number, readonly Buffer[]>

  constructor(needles: readonly Buffer[]) {
    this.#window = Math.min(255, ...needles.map(({ length }) => length))
    this.#block = this.#window >= 2 ? 2 : 1
    this.#shift = this.#shiftTable(needles)
    this.#candidates = Map.groupBy(needles, (needle) => this.#keyAt(needle, this.#window - 1))
  }

  indexOf(bytes: Buffer, from: number, { end, before }: { readonly end: number; readonly before: number }): number {
    const block = this.#block
    const shift = this.#shift
    const bound = Math.min(end, before + this.#window - 1)
    for (let last = from + this.#window - 1; last < bound;) {
      const key = block === 2 ? pairAt(bytes, last) : (bytes[last] as number)
      const step = shift[key] as number
      if (step !== 0) {
        last += step
        continue
      }
      const start = last - this.#window + 1
      const candidates = this.#candidates.get(key) ?? []
      if (candidates.some((needle) => start + needle.length <= end && startsWith(bytes, start, needle))) return start
      last += 1
    }
    return -1
  }

  #keyAt(bytes: Buffer, last: number): number {
    return this.#block === 2 ? pairAt(bytes, last) : (bytes[last] as number)
  }

  #shiftTable(needles: readonly Buffer[]): Uint8Array {
    const table = new Uint8Array(1 << 16).fill(Math.max(0, this.#window - this.#block + 1))
    for (const needle of needles) {
      for (let last = this.#block - 1; last < this.#window; last += 1) {
        const key = this.#keyAt(needle, last)
        table[key] = Math.min(table[key] as number, this.#window - 1 - last)
      }
    }
    return table
  }
}

export function startsWith(bytes: Buffer, start: number, needle: Buffer, length = needle.length): boolean {
  for (let i = 0; i < length; i += 1) {
    if (bytes[start + i] !== needle[i]) return false
  }
  return true
}

function pairAt(bytes: Buffer, last: number): number {
  return ((bytes[last - 1] as number) << 8) | (bytes[last] as number)
}
