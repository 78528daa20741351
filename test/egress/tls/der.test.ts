/**
 * The DER writer gives the one encoding that X.690 allows: minimal lengths, minimal integers, no sign by accident,
 * times in the form that RFC 5280 asks for. Expected bytes are from the standards or worked out by hand.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as der from '../../../src/egress/tls/der.ts'

const cases: Readonly<Record<string, readonly [actual: Buffer, hex: string]>> = {
  'an empty sequence': [der.sequence(), '3000'],
  'a sequence of two': [der.sequence(der.booleanTrue(), der.integer(Buffer.of(1))), '30060101ff020101'],
  'a set': [der.setOf(der.integer(Buffer.of(1))), '3103020101'],
  'the integer 0': [der.integer(Buffer.of(0)), '020100'],
  'no bytes are 0': [der.integer(Buffer.alloc(0)), '020100'],
  'an integer with leading zeros': [der.integer(Buffer.of(0, 0, 5)), '020105'],
  'an integer that would look negative': [der.integer(Buffer.of(0x80)), '02020080'],
  'leading zeros before what would look negative': [der.integer(Buffer.of(0, 0, 0xff, 1)), '020300ff01'],
  'id-ecPublicKey': [der.objectIdentifier('1.2.840.10045.2.1'), '06072a8648ce3d0201'],
  subjectAltName: [der.objectIdentifier('2.5.29.17'), '0603551d11'],
  'an arc of more than two bytes': [der.objectIdentifier('1.2.840.113549.1.1.11'), '06092a864886f70d01010b'],
  'a large second arc': [der.objectIdentifier('2.999.3'), '0603883703'],
  'a bit string': [der.bitString(Buffer.of(0b1010_0000), 5), '030205a0'],
  'UTF-8': [der.utf8String('é'), '0c02c3a9'],
  'the last UTCTime': [der.time(new Date('2049-12-31T23:59:59.999Z')), `170d${ascii('491231235959Z')}`],
  'the first GeneralizedTime': [der.time(new Date('2050-01-01T00:00:00Z')), `180f${ascii('20500101000000Z')}`],
  'an implicit primitive': [der.contextPrimitive(2, Buffer.from('a.b')), '8203612e62'],
  'an explicit tag': [der.contextConstructed(0, der.integer(Buffer.of(2))), 'a003020102'],
}

for (const [name, [actual, hex]] of Object.entries(cases)) {
  test(`writes ${name}`, () => assert.equal(actual.toString('hex'), hex))
}

test('lengths take as few bytes as they can', () => {
  const headers = [0, 127, 128, 255, 256, 65_535].map((length) => {
    const value = der.octetString(Buffer.alloc(length))
    return value.subarray(0, value.length - length).toString('hex')
  })
  assert.deepEqual(headers, ['0400', '047f', '048180', '0481ff', '04820100', '0482ffff'])
  assert.throws(() => der.octetString(Buffer.alloc(65_536)), RangeError)
})

test('integers keep their value, are positive and minimal', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 160n }), (value) => {
      const hex = value.toString(16)
      const written = der.integer(Buffer.from(hex.padStart(hex.length + (hex.length % 2) + 4, '0'), 'hex'))
      const content = written.subarray(2)
      assert.equal(content.length, written[1])
      assert.equal(BigInt(`0x${content.toString('hex')}`), value)
      assert.ok((content[0] ?? 0) < 0x80, 'negative')
      assert.ok(content.length === 1 || content[0] !== 0 || (content[1] ?? 0) >= 0x80, 'not minimal')
    }),
  )
})

function ascii(text: string): string {
  return Buffer.from(text).toString('hex')
}
