/**
 * A secret prints as `[secret NAME]`, however it is printed; its value comes out of `reveal` and nowhere else.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import * as fc from 'fast-check'
import { parseSecret } from '../../src/secrets/secret-value.ts'
import { Secret } from '../../src/secrets/secret.ts'

test('printing', () => {
  const secret = new Secret('API_KEY', 'value-1234')
  assert.equal(String(secret), '[secret API_KEY]')
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret API_KEY]"}')
  assert.equal(format('%s %o %O', secret, secret, secret), '[secret API_KEY] [secret API_KEY] [secret API_KEY]')
  assert.equal(secret.reveal(), 'value-1234')
})

test('property: no way of printing shows the value', () => {
  const value = fc.string({ minLength: 12 }).filter((text) => !'[secret API_KEY]'.includes(text))
  fc.assert(
    fc.property(value, (text) => {
      const secret = new Secret('API_KEY', text)
      const error = new Error(`failed with ${String(secret)}`, { cause: secret })
      const shown = [
        inspect(secret, { showHidden: true, customInspect: false, depth: 9 }),
        inspect({ a: [secret], error }, { showHidden: true, depth: 9 }),
        JSON.stringify([secret]),
        Object.entries(secret).join(),
        JSON.stringify(Object.assign({}, secret)),
        String(error.stack),
      ]
      for (const output of shown) assert.equal(output.includes(text), false)
    }),
  )
})

test('structured cloning does not carry the value', () => {
  assert.deepEqual(structuredClone(new Secret('API_KEY', 'value-1234')), { name: 'API_KEY' })
})

const REFUSED: Readonly<Record<string, string | Buffer>> = {
  'is empty': '',
  'is empty ': '\r\n\n',
  'holds a NUL character': 'sesame\0open',
  'is longer than 65536 bytes': 'sesame'.repeat(11_000),
  'is not UTF-8 text': Buffer.from([0x73, 0xff, 0xfe]),
  'is not UTF-8 text ': Buffer.from([0xed, 0xa0, 0x80]),
}

for (const [problem, source] of Object.entries(REFUSED)) {
  test(`a value that ${problem.trim()} is refused without being shown: ${source.length} bytes`, () => {
    assert.throws(
      () => parseSecret('API_KEY', source),
      (error) =>
        error instanceof Error &&
        error.message === `the value of secret API_KEY ${problem.trim()}` &&
        !inspect(error, { depth: 9 }).includes('sesame'),
    )
  })
}

test('line breaks at the end are not part of a value, others are', () => {
  for (const [source, value] of [
    ['abc\n', 'abc'],
    ['abc\r\n', 'abc'],
    ['abc\n\n', 'abc'],
    [' abc ', ' abc '],
    ['a\nb\n', 'a\nb'],
    ['ü€😀', 'ü€😀'],
    ['\ufeffabc', '\ufeffabc'],
  ] as const) {
    assert.equal(parseSecret('API_KEY', source).reveal(), value)
    assert.equal(parseSecret('API_KEY', Buffer.from(source)).reveal(), value)
  }
})

test('names', () => {
  for (const name of ['A', '_', 'API_KEY', 'a1', 'A'.repeat(128)]) assert.equal(parseSecret(name, 'v').name, name)
  for (const name of ['', '1A', 'A-B', 'A.B', '../A', 'A/B', 'A B', 'A\n', 'Ä', 'A'.repeat(129)]) {
    assert.throws(() => parseSecret(name, 'v'), { code: 'secret_invalid' }, JSON.stringify(name))
  }
})
