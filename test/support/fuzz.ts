import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'

/**
 * Seeded fuzzing for parsers. Each run has its own 32-bit seed, counting up from the first. A failure names the seed
 * of its run: `AGENTCAGE_FUZZ_SEED=<seed> node --test …` begins with that very run.
 * `AGENTCAGE_FUZZ_RUNS` sets the number of runs, for a longer search than the gate makes.
 */
export async function fuzz(
  t: TestContext,
  options: { readonly runs: number; readonly seed?: number },
  body: (random: Random) => void | Promise<void>,
): Promise<void> {
  const first = numberFrom('AGENTCAGE_FUZZ_SEED') ?? options.seed ?? randomInt(2 ** 32)
  const runs = numberFrom('AGENTCAGE_FUZZ_RUNS') ?? options.runs
  t.diagnostic(`fuzz: ${runs} runs from seed ${first}`)
  for (let run = 0; run < runs; run++) {
    const seed = (first + run) >>> 0
    try {
      await body(new Random(seed))
    } catch (error) {
      throw new Error(`fuzz run ${run} failed; replay it with AGENTCAGE_FUZZ_SEED=${seed}`, { cause: error })
    }
  }
}

/** A small deterministic generator (mulberry32). Good enough to explore with; never for secrets. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring sequences (murmur3's finaliser).
    let state = seed ^ 0x9e3779b9
    state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
    this.#state = (state ^ (state >>> 16)) >>> 0
  }

  /** 0 to 2^32 - 1. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor((this.uint32() / 2 ** 32) * (max - min + 1))
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.uint32() / 2 ** 32 < probability
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.uint32() >>> 24
    return bytes
  }

  /** Cuts `bytes` into pieces of random length, none of them empty; together they are `bytes`. */
  chunks(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    const longest = this.pick([1, 2, 7, 64, Math.max(bytes.length, 1)])
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(at + this.integer(1, longest), bytes.length)
      pieces.push(bytes.subarray(at, end))
      at = end
    }
    return pieces
  }
}

/**
 * A changed copy of `bytes`: one to `rounds` (default 4) mutations in a row. `corpus` gives material to splice in.
 * The result may be empty and is at most a few hundred bytes longer a round than the longest input.
 */
export function mutate(
  random: Random,
  bytes: Buffer,
  options: { readonly rounds?: number; readonly corpus?: readonly Buffer[] } = {},
): Buffer {
  let mutated = bytes
  for (let left = random.integer(1, options.rounds ?? 4); left > 0; left--) {
    const other = options.corpus === undefined || options.corpus.length === 0 ? bytes : random.pick(options.corpus)
    mutated = random.pick(MUTATORS)(random, mutated, other)
  }
  return mutated
}

type Mutator = (random: Random, bytes: Buffer, other: Buffer) => Buffer

const MUTATORS: readonly Mutator[] = [
  flipBit,
  setByte,
  setInteger,
  insertBytes,
  deleteRange,
  duplicateRange,
  spliceWith,
  truncate,
  swapRanges,
]

function flipBit(random: Random, bytes: Buffer): Buffer {
  return overwrite(bytes, random.integer(0, bytes.length - 1), (byte) => byte ^ (1 << random.integer(0, 7)))
}

function setByte(random: Random, bytes: Buffer): Buffer {
  return overwrite(bytes, random.integer(0, bytes.length - 1), () => random.pick(INTERESTING_BYTES))
}

/** Bytes at the edges of what lengths, types and text mean: pointers, labels, delimiters, NUL, line ends. */
const INTERESTING_BYTES: readonly number[] = [
  0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2e, 0x2f, 0x3a, 0x3f, 0x40, 0x41, 0x5c, 0x7f, 0x80, 0xbf, 0xc0, 0xfe,
  0xff,
]

/** Overwrites 1 to 4 bytes with an integer that tends to break bounds, in either byte order. */
function setInteger(random: Random, bytes: Buffer): Buffer {
  const width = random.integer(1, 4)
  if (bytes.length < width) return bytes
  const copy = Buffer.from(bytes)
  const at = random.integer(0, bytes.length - width)
  const value = random.pick(INTERESTING_INTEGERS) % 2 ** (8 * width)
  if (random.chance(0.75)) copy.writeUIntBE(value, at, width)
  else copy.writeUIntLE(value, at, width)
  return copy
}

const INTERESTING_INTEGERS: readonly number[] = [
  0,
  1,
  2,
  63,
  64,
  127,
  128,
  253,
  254,
  255,
  256,
  511,
  512,
  1024,
  4095,
  4096,
  4097,
  16383,
  16384,
  32767,
  32768,
  65534,
  65535,
  65536,
  2 ** 24 - 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
]

function insertBytes(random: Random, bytes: Buffer): Buffer {
  const inserted = random.chance(0.5)
    ? random.bytes(random.integer(1, 16))
    : Buffer.alloc(random.integer(1, 300), random.pick(INTERESTING_BYTES))
  return insertAt(bytes, random.integer(0, bytes.length), inserted)
}

function deleteRange(random: Random, bytes: Buffer): Buffer {
  const [start, end] = range(random, bytes)
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
}

function duplicateRange(random: Random, bytes: Buffer): Buffer {
  const [start, end] = range(random, bytes)
  return insertAt(bytes, end, bytes.subarray(start, Math.min(end, start + 300)))
}

/** The beginning of one with the end of another: well-formed halves that do not belong together. */
function spliceWith(random: Random, bytes: Buffer, other: Buffer): Buffer {
  const head = bytes.subarray(0, random.integer(0, bytes.length))
  return Buffer.concat([head, other.subarray(random.integer(0, other.length))])
}

function truncate(random: Random, bytes: Buffer): Buffer {
  return bytes.subarray(0, random.integer(0, bytes.length))
}

function swapRanges(random: Random, bytes: Buffer): Buffer {
  const [start, end] = range(random, bytes)
  return Buffer.concat([bytes.subarray(end), bytes.subarray(start, end), bytes.subarray(0, start)])
}

function range(random: Random, bytes: Buffer): readonly [start: number, end: number] {
  const start = random.integer(0, bytes.length)
  return [start, random.integer(start, bytes.length)]
}

function overwrite(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  const before = bytes[at]
  if (before === undefined) return bytes
  const copy = Buffer.from(bytes)
  copy[at] = change(before)
  return copy
}

function insertAt(bytes: Buffer, at: number, inserted: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
}

function numberFrom(variable: string): number | undefined {
  const text = process.env[variable]
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,10}$/.test(text)) throw new RangeError(`${variable} must be a number, not "${text}"`)
  return Number(text)
}
