/**
 * Shannon entropy in bits a byte: 0 for nothing and for equal bytes, 8 for all values alike, whatever the length and
 * wherever in memory the bytes lie. Every byte counts: nothing is sampled.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { entropyOf, histogramOf, mergedHistogram, shannonEntropy } from '../../../src/egress/inspect/shannon.ts'
import { randomLike } from './entropy-traffic.ts'

const EVERY_VALUE = Uint8Array.from({ length: 256 }, (_, value) => value)

test('no bytes have none', () => assert.equal(shannonEntropy(Buffer.alloc(0)), 0))
test('equal bytes have none', () => assert.equal(Object.is(shannonEntropy(Buffer.alloc(5000, 0xff)), 0), true))
test('all 256 values once have 8', () => assert.equal(shannonEntropy(EVERY_VALUE), 8))
test('two values alike have 1', () => assert.equal(shannonEntropy(Buffer.from('ab'.repeat(400))), 1))

test('all values alike have 8 at any multiple', () => {
  assert.equal(shannonEntropy(Buffer.concat(Array.from({ length: 64 }, () => EVERY_VALUE))), 8)
})

test('n bytes have at most log2(n)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 600 }), (bytes) => {
      const entropy = shannonEntropy(bytes)
      assert.ok(entropy >= 0 && entropy <= Math.min(8, Math.log2(bytes.length)) + 1e-9)
    }),
  )
})

test('the histogram counts every byte, at every alignment and length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6000, size: 'max' }), fc.nat({ max: 7 }), (bytes, shift) => {
      const memory = new Uint8Array(bytes.length + shift)
      memory.set(bytes, shift)
      const expected = new Uint32Array(256)
      for (const byte of bytes) expected[byte] = (expected[byte] as number) + 1
      assert.deepEqual(histogramOf(memory.subarray(shift)), expected)
    }),
  )
})

test('one odd byte in a megabyte is counted', () => {
  for (const at of [0, 1, 4095, 500_001, 1_048_575]) {
    const bytes = Buffer.alloc(1_048_576)
    bytes[at] = 7
    assert.equal(histogramOf(bytes)[7], 1)
  }
})

test('the order of the bytes does not matter', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), (bytes) => {
      assert.equal(shannonEntropy(bytes), shannonEntropy(bytes.toReversed()))
    }),
  )
})

test('merged histograms are those of the bytes one after the other', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 5 }), (pieces) => {
      assert.deepEqual(mergedHistogram(pieces.map(histogramOf)), histogramOf(Buffer.concat(pieces)))
    }),
  )
})

test('random bytes come close to 8', (t) => {
  const bytes = randomLike(1_048_576)
  const started = performance.now()
  assert.ok(entropyOf(histogramOf(bytes)) > 7.999)
  t.diagnostic(`${(bytes.length / 1000 / (performance.now() - started)).toFixed(0)} MB/s, unwarmed`)
})
