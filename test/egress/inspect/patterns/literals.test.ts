/** Literals are found wherever they stand, also one in another, however the bytes lie in memory, in ascending order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LiteralIndex } from '../../../../src/egress/inspect/patterns/literals.ts'

const letters = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
  fc.array(fc.constantFrom(0x61, 0x62, 0xff), { minLength, maxLength }).map((bytes) => Buffer.from(bytes))

test('finds what a search for each of them finds', () => {
  fc.assert(
    fc.property(
      fc.array(letters(3, 6), { maxLength: 5 }),
      letters(0, 40),
      fc.nat(3),
      fc.nat(8),
      (literals, text, offset, from) => {
        const bytes = Buffer.alloc(64).subarray(offset, offset + text.length)
        bytes.set(text)
        const found: string[] = []
        const places: number[] = []
        new LiteralIndex(literals).search(
          bytes,
          (literal, at) => {
            found.push(`${literal} at ${at}`)
            places.push(at)
            return false
          },
          { from },
        )
        const expected: string[] = []
        for (let at = from; at < bytes.length; at += 1)
          for (const [position, literal] of literals.entries())
            if (bytes.subarray(at, at + literal.length).equals(literal)) expected.push(`${position} at ${at}`)
        assert.deepEqual(found.toSorted(), expected.toSorted())
        assert.deepEqual(
          places,
          places.toSorted((a, b) => a - b),
        )
      },
    ),
    { numRuns: 2000 },
  )
})

/** Longer than a block of a pass, of which one ends at each of the places before which a literal is put. */
test('finds the same in long texts, over the ends of blocks, whatever lies around', () => {
  const literals = ['ghp_', 'sk-ant-', 'oken', 'AKIA', 'ecret', 'EAAM', 'oy2', '\xff\x80\x00'].map((text) =>
    Buffer.from(text, 'latin1'),
  )
  const index = new LiteralIndex(literals)
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 50, maxLength: 500 }),
      fc.array(fc.tuple(fc.nat(literals.length - 1), fc.nat(69_990)), { maxLength: 40 }),
      fc.tuple(fc.nat(3), fc.nat(200), fc.nat(200)),
      (noise, planted, [offset, from, cut]) => {
        const bytes = Buffer.alloc(offset + 70_000, noise).subarray(offset)
        const edges = [from, from + 32_766, from + 32_768, from + 65_532].map((at, place) => [place, at - 2] as const)
        for (const [literal, at] of [...planted, ...edges]) bytes.set(literals[literal] as Buffer, Math.max(0, at))
        const bounds = { from, before: bytes.length - cut }
        const found: [number, number][] = []
        index.search(bytes, (literal, at) => found.push([at, literal]) === 0, bounds)
        const expected = literals.flatMap((literal, position) =>
          placesOf(bytes, literal)
            .filter((at) => at >= bounds.from && at < bounds.before)
            .map((at) => [at, position] as [number, number]),
        )
        assert.deepEqual(
          found,
          expected.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]),
        )
      },
    ),
    { numRuns: 30 },
  )
})

function placesOf(bytes: Buffer, literal: Buffer): number[] {
  const places: number[] = []
  for (let at = bytes.indexOf(literal); at !== -1; at = bytes.indexOf(literal, at + 1)) places.push(at)
  return places
}

test('ends where it is told to, and takes none of less than three bytes', () => {
  const index = new LiteralIndex([Buffer.from('abc'), Buffer.from('bcd')])
  const places: number[] = []
  index.search(Buffer.from('xabcd abc'), (_literal, at) => places.push(at) === 2)
  assert.deepEqual(places, [1, 2])
  assert.throws(() => new LiteralIndex([Buffer.from('ab')]), RangeError)
})
