/** A body is what came, however it was cut; what is kept of small pieces is their bytes, not the pieces. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyPieces } from '../../../src/egress/http/body-pieces.ts'

function joined(pieces: readonly Buffer[]): Buffer {
  const body = new BodyPieces()
  for (const piece of pieces) body.push(piece)
  assert.equal(
    body.size,
    pieces.reduce((sum, { length }) => sum + length, 0),
  )
  return body.join()
}

test('cut anywhere, it is the same body', () => {
  const piece = fc
    .oneof(fc.integer({ max: 20, min: 0 }), fc.constantFrom(4095, 4096, 70_000))
    .chain((length) => fc.integer({ min: 0, max: 255 }).map((byte) => Buffer.alloc(length, byte)))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      assert.ok(joined(pieces).equals(Buffer.concat(pieces)))
    }),
  )
})

test('one piece is the body itself', () => {
  const piece = Buffer.from('whole')
  assert.equal(joined([piece]), piece)
})

test('attack: of hundreds of thousands of pieces of one byte none is kept', () => {
  const source = Buffer.alloc(300_000, 'x')
  const body = new BodyPieces()
  for (let at = 0; at < source.length; at += 1) body.push(source.subarray(at, at + 1))
  source.fill('y', 1) // What was kept would show it.
  assert.equal(body.join().toString(), 'x'.repeat(300_000))
})
