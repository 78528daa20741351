/**
 * Texts in records are the workload's. They are bounded, keep their meaning as JSON, and hold nothing raw that a
 * terminal or a text tool would act on.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { makeSafe, quote, truncate } from '../../src/audit/text.ts'

const RAW = /[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/

describe('quote', () => {
  const catalogue: ReadonlyArray<readonly [string, string]> = [
    ['plain', '"plain"'],
    ['', '""'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['\0\x1b[2J\r\n', '"\\u0000\\u001b[2J\\r\\n"'],
    ['\x7f\x9b31m\x85', '"\\u007f\\u009b31m\\u0085"'],
    ['\u2028\u2029', '"\\u2028\\u2029"'],
    ['\u202egnp.exe', '"\\u202egnp.exe"'],
    ['\ufeff\u200b', '"\\ufeff\\u200b"'],
    ['\u{e0041}', '"\\udb40\\udc41"'],
    ['\ud800x\udc00', '"\\ud800x\\udc00"'],
    ['é 漢 🙂', '"é 漢 🙂"'],
  ]
  for (const [text, json] of catalogue) {
    test(`writes ${JSON.stringify(text)}`, () => assert.equal(quote(text, 100), json))
  }

  test('keeps every text within its bound, and leaves nothing raw', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
    fc.assert(
      fc.property(
        units.map((list) => String.fromCharCode(...list)),
        fc.integer({ min: 2, max: 80 }),
        (text, limit) => {
          const json = quote(text, limit)
          const value = JSON.parse(json) as string
          assert.ok(value.length <= limit)
          if (text.length <= limit) assert.equal(value, text)
          assert.doesNotMatch(json.replaceAll(/[\ud800-\udbff][\udc00-\udfff]/g, ''), RAW)
          assert.equal(makeSafe(json), json)
        },
      ),
    )
  })
})

describe('truncate', () => {
  test('marks what was left out', () => assert.equal(truncate('abcdef', 4), 'abc…'))
  test('leaves alone what fits', () => assert.equal(truncate('abcd', 4), 'abcd'))
  test('never cuts a surrogate pair', () => {
    assert.equal(truncate('ab🙂cd', 4), 'ab…')
    assert.equal(truncate('a🙂bcd', 4), 'a🙂…')
  })
})
