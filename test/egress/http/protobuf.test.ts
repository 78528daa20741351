/**
 * Texts in Protocol Buffers are rewritten with lengths that are true again, at any depth. Whatever is not in that format
 * is rewritten as a whole, and nothing that has to change is left.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rewriteProtobuf } from '../../../src/egress/http/protobuf.ts'
import { fuzz } from '../../support/fuzz.ts'

const rewrite = (bytes: Buffer): Buffer =>
  bytes.includes('SECRET')
    ? Buffer.from(bytes.toString('latin1').replaceAll('SECRET', 'a-placeholder'), 'latin1')
    : bytes

function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  assert.ok(bytes.length < 0x4000)
  const length = bytes.length < 0x80 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes])
}

function message(secret: string): Buffer {
  const inner = Buffer.concat([field(1, `key ${secret}`), Buffer.from([0x10, 0x96, 0x01]), field(3, 'x'.repeat(200))])
  const fixed = Buffer.from([0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4])
  return Buffer.concat([field(1, inner), fixed, field(2, secret), field(6, 'y'.repeat(120) + secret)])
}

test('lengths follow the texts, nested ones too', () => {
  assert.deepEqual(rewriteProtobuf(message('SECRET'), rewrite), message('a-placeholder'))
})

test('what holds nothing comes back itself', () => {
  const bytes = message('public')
  assert.equal(rewriteProtobuf(bytes, rewrite), bytes)
})

test('what is no message is rewritten as a whole', () => {
  for (const text of ['{"key": "SECRET"}', 'SECRET', `\x0a\x7fSECRET`, `\x08SECRET`])
    assert.equal(rewriteProtobuf(Buffer.from(text), rewrite).toString(), text.replace('SECRET', 'a-placeholder'))
})

test('attack: a value that lies across fields', () => {
  const bytes = Buffer.concat([field(1, 'x'), Buffer.from('SECRET'), field(2, 'y')])
  assert.ok(!rewriteProtobuf(bytes, rewrite).includes('SECRET'))
})

test('fuzz: any bytes, and nothing is left', async (t) => {
  await fuzz(t, { runs: 500 }, (random) => {
    const bytes = Buffer.from(message('SECRET'))
    for (let count = random.integer(0, 5); count > 0; count -= 1)
      bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255)
    assert.ok(!rewriteProtobuf(bytes, rewrite).includes('SECRET'))
  })
})
