/** Plain text is told by words of four bytes, and is what a look at each byte says that it is, however it lies in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bodyParts } from '../../../../src/egress/inspect/decode/body-parts.ts'
import { isPlainText, MOST_PLAIN_ENTROPY } from '../../../../src/egress/inspect/decode/plain-text.ts'

const byte = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  fc.constantFrom(9, 10, 12, 13),
  fc.nat(255),
)

test('every byte counts', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), fc.nat(7), (bytes, offset) => {
      const text = Buffer.alloc(64).subarray(offset, offset + bytes.length)
      text.set(bytes)
      const expected = bytes.every((one) => (one >= 0x20 && one < 0x7f) || [9, 10, 12, 13].includes(one))
      assert.equal(isPlainText(text), expected)
    }),
    { numRuns: 2000 },
  )
})

test('of a long text too, for which passes are used', () => {
  for (const length of [20_000, 32_768, 32_769, 70_001]) {
    const text = Buffer.alloc(length + 1, 'It is plain.\t\r\n\f~').subarray(1)
    assert.equal(isPlainText(text), true)
    for (const at of [0, 63, 64, 19_999, 32_767, 32_768, length - 1].filter((place) => place < length)) {
      for (const sign of [0, 0x0b, 0x1f, 0x7f, 0x80, 0xff]) {
        const before = text[at] as number
        text[at] = sign
        assert.equal(isPlainText(text), false)
        text[at] = before
      }
    }
  }
})

test('one sign that is none is seen at every place', () => {
  for (const sign of [0, 0x08, 0x0b, 0x1f, 0x7f, 0x80, 0xff]) {
    for (let at = 0; at < 24; at += 1) {
      const text = Buffer.alloc(24, 'a')
      text[at] = sign
      assert.equal(isPlainText(text), false, `${sign} at ${at}`)
    }
  }
})

test('no plain text is more random than is said', () => {
  const signs = Buffer.from([9, 10, 12, 13, ...Array.from({ length: 95 }, (_, index) => 0x20 + index)])
  assert.equal(isPlainText(signs), true)
  const [part] = bodyParts('text/plain', signs)
  assert.ok(part !== undefined && part.entropy <= MOST_PLAIN_ENTROPY + 1e-9)
})
