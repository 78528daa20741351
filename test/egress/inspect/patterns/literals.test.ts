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

test('ends where it is told to, and takes none of less than three bytes', () => {
  const index = new LiteralIndex([Buffer.from('abc'), Buffer.from('bcd')])
  const places: number[] = []
  index.search(Buffer.from('xabcd abc'), (_literal, at) => places.push(at) === 2)
  assert.deepEqual(places, [1, 2])
  assert.throws(() => new LiteralIndex([Buffer.from('ab')]), RangeError)
})
