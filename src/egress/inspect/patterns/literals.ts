import { BLOCK_BYTES, passesFor, type Passes } from '../../simd/passes.ts'
import { bucketTables, rarestTriple, TRIPLE } from './triples.ts'

/** What a pair of bytes is to some literal's triple: its first two, its second and third. */
const FIRST = 1
const SECOND = 2

interface Bounds {
  readonly from: number
  readonly before: number
}

interface Match {
  readonly literal: number
  readonly at: number
}

/**
 * Finds where any of many byte strings of at least 3 bytes stands, by the three bytes of each that are the rarest in text.
 * A pass looks for those of all literals at once, and where bytes are few a look at pairs: wherever three bytes stand, their
 * first two or their second and third lie in one aligned pair. Immutable.
 */
export class LiteralIndex {
  readonly #literals: readonly Buffer[]
  /** By position in the list, where the triple begins. */
  readonly #offsets: readonly number[]
  /** How far behind the start of a literal its triple begins at most. */
  readonly #reach: number
  /** By a pair of bytes as this machine reads them. */
  readonly #pairs = new Uint8Array(1 << 16)
  /** 1 for the hash of some literal's triple. */
  readonly #hashes = new Uint8Array(HASHES)
  /** Positions in the list, by the triple. */
  readonly #byTriple: ReadonlyMap<number, readonly number[]>
  /** Made for the first text that is worth a pass. */
  #tables: Uint8Array | undefined

  /** Throws a RangeError for a literal of less than 3 bytes. */
  constructor(literals: readonly Buffer[]) {
    this.#literals = literals
    const triples = literals.map(rarestTriple)
    this.#offsets = triples.map(({ offset }) => offset)
    this.#reach = Math.max(0, ...this.#offsets)
    const byTriple = new Map<number, number[]>()
    for (const [position, { bytes }] of triples.entries()) {
      this.#pairs[pairOf(bytes, 0)]! |= FIRST
      this.#pairs[pairOf(bytes, 1)]! |= SECOND
      const triple = tripleAt(bytes, 0)
      this.#hashes[hashOf(triple)] = 1
      byTriple.set(triple, [...(byTriple.get(triple) ?? []), position])
    }
    this.#byTriple = byTriple
  }

  /**
   * Calls `found` with each literal's position in the list and its place in `bytes`, from `from` on and before `before`,
   * until it returns true: in the order of places, and at one place of the list.
   */
  search(
    bytes: Buffer,
    found: (literal: number, at: number) => boolean,
    { from = 0, before = bytes.length }: Partial<Bounds> = {},
  ): void {
    const bounds = { from, before: Math.min(before, bytes.length) }
    const passes = passesFor(bounds.before - from)
    const matches = passes === undefined ? this.#byPairs(bytes, bounds) : this.#byPasses(bytes, bounds, passes)
    for (const { literal, at } of matches.toSorted((a, b) => a.at - b.at || a.literal - b.literal))
      if (found(literal, at)) return
  }

  #byPasses(bytes: Buffer, bounds: Bounds, passes: Passes): readonly Match[] {
    const matches: Match[] = []
    const tables = (this.#tables ??= bucketTables(this.#literals.map((literal) => rarestTriple(literal).bytes)))
    const end = Math.min(bytes.length, bounds.before + this.#reach + TRIPLE)
    // A triple that goes over the end of a block is the first of the next one.
    for (let start = bounds.from; start + TRIPLE <= end; start += BLOCK_BYTES - TRIPLE + 1) {
      const count = passes.triples(bytes.subarray(start, Math.min(end, start + BLOCK_BYTES)), tables)
      for (let index = 0; index < count; index += 1)
        this.#matchAt(bytes, start + (passes.found[index] as number), { bounds, matches })
    }
    return matches
  }

  #byPairs(bytes: Buffer, bounds: Bounds): readonly Match[] {
    const matches: Match[] = []
    const pairs = this.#pairs
    const odd = bytes.byteOffset & 1
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset - odd, (bytes.length + odd) >> 1)
    const end = Math.min(halves.length, ((bounds.before + this.#reach + odd) >> 1) + 1)
    for (let index = (bounds.from + odd) >> 1; index < end; index += 1) {
      const pair = pairs[halves[index] as number] as number
      if (pair === 0) continue
      const at = index * 2 - odd
      if ((pair & SECOND) !== 0) this.#matchAt(bytes, at - 1, { bounds, matches })
      if ((pair & FIRST) !== 0) this.#matchAt(bytes, at, { bounds, matches })
    }
    return matches
  }

  /** Adds the literals whose triples stand at `place`. */
  #matchAt(
    bytes: Buffer,
    place: number,
    { bounds, matches }: { readonly bounds: Bounds; readonly matches: Match[] },
  ): void {
    if (place < 0 || place + TRIPLE > bytes.length) return
    const triple = tripleAt(bytes, place)
    if (this.#hashes[hashOf(triple)] === 0) return
    for (const literal of this.#byTriple.get(triple) ?? []) {
      const at = place - (this.#offsets[literal] as number)
      if (at < bounds.from || at >= bounds.before) continue
      if (standsAt(bytes, at, this.#literals[literal] as Buffer)) matches.push({ literal, at })
    }
  }
}

function tripleAt(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
}

/** Two bytes as this machine reads them. */
function pairOf(bytes: Buffer, at: number): number {
  return new Uint16Array(Uint8Array.from(bytes.subarray(at, at + 2)).buffer)[0] as number
}

const HASHES = 1 << 12

function hashOf(triple: number): number {
  return (Math.imul(triple, 0x9e3779b1) >>> 20) & (HASHES - 1)
}

function standsAt(bytes: Buffer, at: number, literal: Buffer): boolean {
  if (at + literal.length > bytes.length) return false
  for (let offset = 0; offset < literal.length; offset += 1) {
    if (bytes[at + offset] !== literal[offset]) return false
  }
  return true
}
