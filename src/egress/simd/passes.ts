import { endianness } from 'node:os'
import type { ByteSet } from './byte-set.ts'
import { PASSES } from './passes-module.ts'

/** So many bytes are looked at in one pass. */
export const BLOCK_BYTES = 32_768

/** A run is of at least so many. */
export const RUN_BYTES = 8

/** Where tables, bytes and what was found lie in memory, as passes.wat has it. */
const SHUFFLES_AT = 512
const BYTES_AT = 4096
const FOUND_AT = 65_536

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly read: { readonly value: number }
  triples(length: number): number
  words(count: number): number
  compact(from: number, end: number, written: number): number
  outside(length: number): number
  runs(length: number): number
}

/** What Node has and its types do not name. */
interface Global {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object
    readonly Instance: new (module: object) => { readonly exports: Exports }
  }
}

/**
 * Passes over a block of bytes by SIMD, which say where something may be. Each takes a copy of the block into a memory of
 * its own, of two pages, and leaves what it found in `found` until the next pass: nobody may wait in between.
 */
export class Passes {
  readonly #run: Exports
  readonly #memory: Uint8Array
  /** Offsets in the block, ascending. A pass returns how many of them are its own. */
  readonly found: Uint16Array
  /** The same memory: what `compact` wrote. */
  readonly written: Buffer

  /** Throws where WebAssembly may not be used. */
  constructor() {
    const { Module, Instance } = (globalThis as unknown as Global).WebAssembly
    this.#run = new Instance(new Module(Buffer.from(PASSES, 'base64'))).exports
    this.#memory = new Uint8Array(this.#run.memory.buffer)
    this.found = new Uint16Array(this.#run.memory.buffer, FOUND_AT)
    this.written = Buffer.from(this.#run.memory.buffer, FOUND_AT)
    this.#memory.set(shuffles(), SHUFFLES_AT)
  }

  /**
   * Where three bytes in a row may be those of a bucket. `tables`: for the first of them 16 bytes by its lower half and 16 by
   * its upper half, and so on, with a bit for each bucket that has such a byte there.
   */
  triples(block: Uint8Array, tables: Uint8Array): number {
    this.#load(block, tables)
    return this.#run.triples(block.length)
  }

  /**
   * Which words of four bytes, by number, may be among those that are looked for. `tables`: a set of all their bytes, by the
   * upper half of a byte which of four kinds it is (1, 2, 4 or 8), and by the kinds that are in a word whether some word of
   * them is so.
   */
  words(block: Uint8Array, tables: Uint8Array): number {
    this.#load(block, tables)
    return this.#run.words(block.length >> 2)
  }

  /**
   * A block to take bytes out of: `dropped`, up to one of `stops`. What it returns copies from `from` on, to `written` from
   * `at` on, and returns how far that is written; `read` then says how far it read.
   */
  compacting(block: Uint8Array, dropped: ByteSet, stops: ByteSet): (from: number, at: number) => number {
    this.#load(block, dropped)
    this.#memory.set(stops, dropped.length)
    return (from, at) => this.#run.compact(from, block.length, at)
  }

  get read(): number {
    return this.#run.read.value
  }

  /** Where the first byte stands that is not in the set; the length when all are. Takes any number of blocks. */
  outside(bytes: Uint8Array, set: ByteSet): number {
    for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
      const block = bytes.subarray(start, start + BLOCK_BYTES)
      this.#load(block, set)
      const at = this.#run.outside(block.length)
      if (at < block.length) return start + at
    }
    return bytes.length
  }

  /**
   * Runs of at least `RUN_BYTES` bytes of the set: in turn where the last of so many stands, and the first byte behind the
   * run. Where the number is odd the last run goes on to the end of the block.
   */
  runs(block: Uint8Array, set: ByteSet): number {
    this.#load(block, set)
    return this.#run.runs(block.length)
  }

  #load(block: Uint8Array, tables: Uint8Array): void {
    if (block.length > BLOCK_BYTES) throw new RangeError('more than a block')
    this.#memory.set(tables)
    this.#memory.set(block, BYTES_AT)
  }
}

/** By a mask of eight bits, the numbers of those that are 1. */
function shuffles(): Uint8Array {
  const table = new Uint8Array(256 * 8)
  for (let mask = 0; mask < 256; mask += 1) {
    let count = 0
    for (let bit = 0; bit < 8; bit += 1) if (((mask >> bit) & 1) === 1) table[mask * 8 + count++] = bit
  }
  return table
}

/** Fewer bytes are looked at sooner than they are copied, and where there are no passes yet, than those are made. */
const LEAST_BYTES = 1024
const LEAST_FIRST = 16_384

/** Made for the first text that is large enough: programs that see none do without. */
export class LazyPasses {
  readonly #make: () => Passes
  #passes: Passes | undefined
  #isUsable = endianness() === 'LE'

  constructor(make: () => Passes = () => new Passes()) {
    this.#make = make
  }

  for(length: number): Passes | undefined {
    if (length < LEAST_BYTES) return undefined
    if (this.#passes === undefined && this.#isUsable && length >= LEAST_FIRST) {
      try {
        this.#passes = this.#make()
      } catch {
        // Without WebAssembly, as under `--jitless`: what passes are asked for is found in JavaScript all the same.
        this.#isUsable = false
      }
    }
    return this.#passes
  }
}

/** One for a thread: nothing of one text is left for the next, so that all may share it. */
const SHARED = new LazyPasses()

/**
 * The passes, where so many bytes are worth it; undefined where they are not, or where there is no WebAssembly: whoever asks
 * finds the same by himself.
 */
export function passesFor(length: number): Passes | undefined {
  return SHARED.for(length)
}
