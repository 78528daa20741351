/**
 * Escapes of any kind, in layers: what they mean, and that no text takes more than its share of work. The attack: marks
 * that each may begin an escape around the next, so that every layer multiplies the reading, and one body of them holds
 * up the egress for minutes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalBytes } from '../../../src/egress/secrets/canonical.ts'
import { MORE, UnitReader } from '../../../src/egress/secrets/escape-unit.ts'
import { fuzz } from '../../support/fuzz.ts'

const PIECES = [
  '&',
  '&#',
  '&#x',
  '%',
  '%25',
  '%5c',
  '\\',
  '\\u',
  '\\u{',
  '\\x',
  '26',
  '5c',
  'd8',
  '0',
  'a',
  ';',
  '{',
  '}',
]

test('a code that is no character is none, and ends nothing', () => {
  for (const text of [
    '\\u{110000}',
    '\\u{ffffff}',
    '&#x110000;',
    '&#99999999;',
    '%5cu{110000}',
    '\\u{d800}',
    '\\ud800',
  ])
    canonicalBytes(Buffer.from(`a${text}b`))
  assert.equal(canonicalBytes(Buffer.from('\\u{10ffff}')).toString(), '\u{10ffff}')
})

test('any text of marks is read, and means the same however often it is read', async (t) => {
  await fuzz(t, { runs: 500 }, (random) => {
    const bytes = Buffer.from(Array.from({ length: random.integer(1, 80) }, () => random.pick(PIECES)).join(''))
    canonicalBytes(bytes)
    for (const isLast of [false, true]) {
      const reader = new UnitReader(bytes, isLast)
      for (let at = 0; at < bytes.length; at += 1) assert.deepEqual(reader.at(at), new UnitReader(bytes, isLast).at(at))
    }
  })
})

for (const pattern of [
  '&&&&#',
  '&&#',
  '&\\u\\x&&&#',
  '&\\u{&&&#',
  '%25',
  '%2525',
  '\\\\',
  '&&a&u&',
  '025&#x\\u{&#x26&#xd8d8a',
]) {
  test(`each byte is looked at a bounded number of times: ${pattern}`, () => {
    const bytes = Buffer.from(pattern.repeat(500))
    let looks = 0
    const counted = new Proxy(bytes, {
      get(target, name) {
        looks += typeof name === 'string' && /^\d/.test(name) ? 1 : 0
        return Reflect.get(target, name, target) as unknown
      },
    })
    const reader = new UnitReader(counted, true)
    for (let at = 0; at < bytes.length;) {
      const unit = reader.at(at)
      assert.ok(unit !== MORE && unit.end > at)
      at = unit.end
    }
    assert.ok(looks < 250 * bytes.length, `${looks / bytes.length} looks a byte`)
  })
}
