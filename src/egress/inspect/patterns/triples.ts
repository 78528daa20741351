/** Three bytes that tell a literal from ordinary text, which begin `offset` behind its start. */
export interface Triple {
  readonly offset: number
  readonly bytes: Buffer
}

export const TRIPLE = 3

const BUCKETS = 8

/** How often a byte stands in the texts, code and JSON that programs send, compared with others. */
const WEIGHTS = Float64Array.from({ length: 256 }, (_, byte) => weightOf(String.fromCharCode(byte)))

/** The rarest three bytes of a literal, which is of at least as many. */
export function rarestTriple(literal: Buffer): Triple {
  let best: Triple | undefined
  let least = Infinity
  for (let offset = 0; offset + TRIPLE <= literal.length; offset += 1) {
    const weight = weightAt(literal, offset) * weightAt(literal, offset + 1) * weightAt(literal, offset + 2)
    if (weight < least) [least, best] = [weight, { offset, bytes: literal.subarray(offset, offset + TRIPLE) }]
  }
  if (best === undefined) throw new RangeError(`a literal is shorter than ${TRIPLE} bytes`)
  return best
}

function weightAt(literal: Buffer, at: number): number {
  return WEIGHTS[literal[at] as number] as number
}

/** For `Passes.triples`: each triple in the bucket that then lets the least of ordinary text through, as it seems. */
export function bucketTables(triples: readonly Buffer[]): Uint8Array {
  const buckets = Array.from({ length: BUCKETS }, () => new Bucket())
  for (const triple of triples) {
    const dearer = buckets.map((bucket) => bucket.with(triple).weight - bucket.weight)
    const cheapest = dearer.indexOf(Math.min(...dearer))
    buckets[cheapest] = (buckets[cheapest] as Bucket).with(triple)
  }
  const tables = new Uint8Array(2 * 16 * TRIPLE)
  for (const [number, { halves }] of buckets.entries()) {
    for (const [table, half] of halves.entries()) {
      for (let value = 0; value < 16; value += 1) tables[table * 16 + value]! |= ((half >> value) & 1) << number
    }
  }
  return tables
}

/** Triples of which it is only known, by place, which lower and which upper halves their bytes have: a bit for each half. */
class Bucket {
  /** Lower and upper of the first byte, and so on. */
  readonly halves: readonly number[]
  readonly weight: number

  constructor(halves: readonly number[] = [0, 0, 0, 0, 0, 0]) {
    this.halves = halves
    this.weight = [0, 2, 4].reduce(
      (product, place) => product * weightOfAll(halves[place] ?? 0, halves[place + 1] ?? 0),
      1,
    )
  }

  with(triple: Buffer): Bucket {
    const halves = this.halves.map((half, table) => {
      const byte = triple[table >> 1] as number
      return half | (1 << (table % 2 === 0 ? byte & 15 : byte >> 4))
    })
    return halves.every((half, table) => half === this.halves[table]) ? this : new Bucket(halves)
  }
}

/** Of all bytes with these halves. */
function weightOfAll(lower: number, upper: number): number {
  let sum = 0
  for (let high = 0; high < 16; high += 1) {
    if (((upper >> high) & 1) === 0) continue
    for (let low = 0; low < 16; low += 1) sum += ((lower >> low) & 1) * (WEIGHTS[high * 16 + low] as number)
  }
  return sum
}

function weightOf(character: string): number {
  if (/[a-z ]/.test(character)) return 8
  return /[0-9",:]/.test(character) ? 3 : 1
}
