/**
 * A pass says of each place what a loop over the bytes says: for random bytes of every length around those that it takes at
 * once, up to a whole block, whatever lay in its memory before.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { asciiSet, roughSet } from '../../../src/egress/simd/byte-set.ts'
import { BLOCK_BYTES, LazyPasses, Passes, RUN_BYTES } from '../../../src/egress/simd/passes.ts'

const passes = new Passes()

/** Of few different bytes, so that what is looked for is there. */
const bytesOf = (length: fc.Arbitrary<number>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(length, fc.uint8Array({ minLength: 1, maxLength: 5 }), fc.uint8Array({ minLength: 64, maxLength: 64 }))
    .map(([size, alphabet, choices]) =>
      Buffer.from(
        Uint8Array.from({ length: size }, (_, at) => {
          const choice = (choices[at % 61] as number) + (at >> 6)
          return alphabet[choice % alphabet.length] as number
        }),
      ),
    )

const short = bytesOf(fc.nat(200))
const long = bytesOf(fc.integer({ min: BLOCK_BYTES - 70, max: BLOCK_BYTES }))
const tables = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })

function compare<T>(given: fc.Arbitrary<T>, check: (block: Buffer, given: T) => void): void {
  fc.assert(fc.property(short, given, check), { numRuns: 200, endOnFailure: true })
  fc.assert(fc.property(long, given, check), { numRuns: 5, endOnFailure: true })
}

function found(count: number): number[] {
  return [...passes.found.subarray(0, count)]
}

function places(length: number, holds: (at: number) => boolean): number[] {
  return Array.from({ length }, (_, at) => at).filter(holds)
}

function isIn(set: Uint8Array, byte: number): boolean {
  return ((set[byte & 15] as number) & (set[16 + (byte >> 4)] as number)) !== 0
}

describe('passes', () => {
  test('triples', () => {
    compare(tables(96), (block, given) => {
      const buckets = (byte: number, place: number): number =>
        (given[place * 32 + (byte & 15)] as number) & (given[place * 32 + 16 + (byte >> 4)] as number)
      const expected = places(Math.max(0, block.length - 2), (at) => {
        const [first, second, third] = block.subarray(at, at + 3) as unknown as [number, number, number]
        return (buckets(first, 0) & buckets(second, 1) & buckets(third, 2)) !== 0
      })
      assert.deepEqual(found(passes.triples(block, given)), expected)
    })
  })

  test('words', () => {
    const kinds = fc.array(fc.constantFrom(1, 2, 4, 8), { minLength: 16, maxLength: 16 })
    const mixes = tables(15).map((known) => [0, ...known])
    const given64 = fc
      .tuple(tables(32), kinds, mixes)
      .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])))
    compare(given64, (block, given) => {
      const mixOf = (word: Buffer): number => word.reduce((mix, byte) => mix | (given[32 + (byte >> 4)] as number), 0)
      const expected = places(block.length >> 2, (index) => {
        const word = block.subarray(index * 4, index * 4 + 4)
        return word.every((byte) => isIn(given, byte)) && given[48 + mixOf(word)] !== 0
      })
      assert.deepEqual(found(passes.words(block, given)), expected)
    })
  })

  test('compacting', () => {
    compare(fc.tuple(tables(32), tables(32), fc.nat(300)), (block, [dropped, stops, at]) => {
      const copy = passes.compacting(block, dropped, stops)
      for (let from = 0; from < block.length;) {
        const stop = block.subarray(from).findIndex((byte) => isIn(stops, byte))
        const end = stop === -1 ? block.length : from + stop
        const kept = block.subarray(from, end).filter((byte) => !isIn(dropped, byte))
        assert.deepEqual(passes.written.subarray(at, copy(from, at)), Buffer.from(kept))
        assert.equal(passes.read, end)
        // A block in which everything stops would be asked for again and again.
        from = end + 1 + (end >> 2)
      }
    })
  })

  test('outside', () => {
    compare(tables(32), (block, set) => {
      const first = block.findIndex((byte) => !isIn(set, byte))
      assert.equal(passes.outside(block, set), first === -1 ? block.length : first)
      // Ordinary text has nothing outside of its set.
      const all = roughSet(block)
      assert.equal(passes.outside(block, all), block.length)
    })
  })

  test('runs', () => {
    compare(fc.tuple(tables(32), fc.array(fc.nat(90), { minLength: 1, maxLength: 30 })), (block, [set, lengths]) => {
      // Random bytes make no runs: some are made of one member, with one byte between them that may be none.
      const member = block.find((byte) => isIn(set, byte)) ?? 0
      for (let at = 0, turn = 0; at < block.length; turn += 1) {
        const length = lengths[turn % lengths.length] as number
        block.fill(member, at, Math.min(block.length, at + length))
        at += length + 1
      }
      const edges: number[] = []
      for (let at = 0; at < block.length; at += 1) {
        const start = at
        while (at < block.length && isIn(set, block[at] as number)) at += 1
        if (at - start >= RUN_BYTES) edges.push(start + RUN_BYTES - 1, ...(at < block.length ? [at] : []))
      }
      assert.deepEqual(found(passes.runs(block, set)), edges)
    })
  })

  test('sets of bytes hold what they are made from', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (members) => {
        const ascii = members.filter((byte) => byte < 0x80)
        const [exact, rough] = [asciiSet(ascii), roughSet(members)]
        for (let byte = 0; byte < 256; byte += 1) {
          assert.equal(isIn(exact, byte), ascii.includes(byte))
          if (members.includes(byte)) assert.ok(isIn(rough, byte))
        }
      }),
    )
    assert.throws(() => asciiSet([0x80]), RangeError)
  })

  test('take no more than a block', () => {
    assert.throws(() => passes.triples(Buffer.alloc(BLOCK_BYTES + 1), new Uint8Array(96)), RangeError)
  })

  test('are made for the first text that is long, and where they cannot be made, asked for no more', () => {
    const lazy = new LazyPasses()
    assert.equal(lazy.for(2000), undefined)
    const made = lazy.for(100_000)
    assert.ok(made instanceof Passes)
    assert.equal(lazy.for(2000), made)
    assert.equal(lazy.for(100), undefined)

    let asked = 0
    const without = new LazyPasses(() => {
      asked += 1
      throw new Error('no WebAssembly')
    })
    assert.equal(without.for(100_000), undefined)
    assert.equal(without.for(100_000), undefined)
    assert.equal(asked, 1)
  })
})
