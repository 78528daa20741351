/** What a pair of bytes is to some literal: its first two, its second and third. */
const FIRST = 1
const SECOND = 2

interface Bounds {
  readonly from: number
  readonly before: number
}

/**
 * Finds where any of many byte strings of at least 3 bytes stands, in one pass that reads two bytes at once: wherever a
 * literal stands, its first two bytes or its second and third lie in one aligned pair. Immutable.
 */
export class LiteralIndex {
  readonly #literals: readonly Buffer[]
  /** By a pair of bytes as this machine reads them. */
  readonly #pairs = new Uint8Array(1 << 16)
  /** 1 for the hash of a triple that some literal begins with. */
  readonly #begins: Uint8Array
  /** Positions in the list, by the first three bytes. */
  readonly #byTriple: ReadonlyMap<number, readonly number[]>

  /** Throws a RangeError for a literal of less than 3 bytes. */
  constructor(literals: readonly Buffer[]) {
    this.#literals = literals
    this.#begins = new Uint8Array(HASHES)
    const byTriple = new Map<number, number[]>()
    for (const [position, literal] of literals.entries()) {
      if (literal.length < 3) throw new RangeError('a literal is shorter than 3 bytes')
      this.#pairs[pairOf(literal, 0)]! |= FIRST
      this.#pairs[pairOf(literal, 1)]! |= SECOND
      const triple = tripleAt(literal, 0)
      this.#begins[hashOf(triple)] = 1
      byTriple.set(triple, [...(byTriple.get(triple) ?? []), position])
    }
    this.#byTriple = byTriple
  }

  /**
   * Calls `found` with each literal's position in the list and its place in `bytes`, from `from` on and before `before`,
   * until it returns true.
   */
  search(
    bytes: Buffer,
    found: (literal: number, at: number) => boolean,
    { from = 0, before = bytes.length }: Partial<Bounds> = {},
  ): void {
    const bounds = { from, before }
    const pairs = this.#pairs
    const odd = bytes.byteOffset & 1
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset - odd, (bytes.length + odd) >> 1)
    const end = Math.min(halves.length, ((before + odd) >> 1) + 1)
    for (let index = (from + odd) >> 1; index < end; index += 1) {
      const pair = pairs[halves[index] as number] as number
      if (pair === 0) continue
      const at = index * 2 - odd
      if ((pair & SECOND) !== 0 && this.#foundAt(bytes, at - 1, { bounds, found })) return
      if ((pair & FIRST) !== 0 && this.#foundAt(bytes, at, { bounds, found })) return
    }
  }

  #foundAt(
    bytes: Buffer,
    at: number,
    { bounds, found }: { readonly bounds: Bounds; readonly found: (literal: number, at: number) => boolean },
  ): boolean {
    if (at < bounds.from || at >= bounds.before || at + 3 > bytes.length) return false
    const triple = tripleAt(bytes, at)
    if (this.#begins[hashOf(triple)] === 0) return false
    for (const position of this.#byTriple.get(triple) ?? []) {
      if (standsAt(bytes, at, this.#literals[position] as Buffer) && found(position, at)) return true
    }
    return false
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

/** Its first three bytes are known to. */
function standsAt(bytes: Buffer, at: number, literal: Buffer): boolean {
  if (at + literal.length > bytes.length) return false
  for (let offset = 3; offset < literal.length; offset += 1) {
    if (bytes[at + offset] !== literal[offset]) return false
  }
  return true
}
