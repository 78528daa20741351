/**
 * A decoy looks like the value that it stands for, and is made of nothing else of it. What a client's check of shapes takes for a
 * credential is told by the patterns that find credentials.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { SECRET_PATTERNS } from '../../src/egress/inspect/patterns/table.ts'
import { decoyFor } from '../../src/secrets/decoy.ts'
import { parsePlaceholder } from '../../src/secrets/placeholders.ts'

/** What is no single token, holds a check sum that its pattern verifies, or is a URL. */
const WITHOUT_SHAPE = new Set([
  'aws_secret_key',
  'azure_storage_key',
  'azure_shared_access_key',
  'azure_ai_key',
  'azure_client_secret',
  'terraform_token',
  'aws_bedrock_key',
  'age_secret_key',
  'onepassword_token',
  'slack_webhook',
  'discord_webhook',
  'discord_bot_token',
  'paypal_braintree_token',
  'plaid_token',
  'mailchimp_key',
  'notion_token',
  'private_key',
  'putty_private_key',
  'openssh_private_key_blob',
  'azure_jwt',
  'generic_secret',
])

describe('has the shape of', () => {
  for (const { name, regex, examples, confirm } of SECRET_PATTERNS) {
    if (WITHOUT_SHAPE.has(name) || name.endsWith('_url')) continue
    test(name, () => {
      const value = examples.positive
      const decoy = decoyFor(value) ?? ''
      assert.equal(decoy.length, value.length)
      const found = regex.exec(decoy)?.[0]
      assert.ok(found !== undefined && (confirm?.(found) ?? true), `${value}\n${decoy}`)
    })
  }
})

describe('shapes', () => {
  const shapes: Readonly<Record<string, RegExp>> = {
    '3f9a0c7e-1b5d-4284-9f3a-0c7e1b5d2846': /^[0-9a-f]{8}-[0-9a-f]{4}-\d{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    '123456789012': /^\d{12}$/,
    ABCDEFGHIJKL: /^[A-Z]{12}$/,
    'user:Pa55w0rd!x9Yz': /^[a-z]{4}:[A-Za-z0-9]{8}![A-Za-z0-9]{4}$/,
    'c2VjcmV0IHNlY3JldCBzZWNyZXQ=': /^[A-Za-z0-9]{27}=$/,
  }
  for (const [value, shape] of Object.entries(shapes)) {
    test(value, () => {
      const decoys = Array.from({ length: 20 }, () => decoyFor(value) ?? '')
      for (const decoy of decoys) assert.match(decoy, shape)
      assert.equal(new Set(decoys).size, 20)
    })
  }

  test('a JSON Web Token is another one: of the same kind and age, about nobody', () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { sub: 'alice', email: 'alice@example.test', iat: 1_800_000_000, exp: 1_800_003_600, nbf: '1' }
    const value = `${part({ alg: 'RS256', typ: 'JWT', kid: 'key-7' })}.${part(claims)}.${'s'.repeat(683)}`
    const [header = '', payload = '', signature = ''] = (decoyFor(value) ?? '').split('.')
    const read = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString())
    assert.deepEqual(read(header), { alg: 'RS256', typ: 'JWT' })
    const { jti, ...rest } = read(payload) as Readonly<Record<string, unknown>>
    assert.match(String(jti), /^[0-9a-f]{32}$/)
    assert.deepEqual(rest, { iat: 1_800_000_000, exp: 1_800_003_600 })
    assert.equal(signature.length, 342)
    assert.ok(parsePlaceholder(decoyFor(value) ?? ''))
  })
})

test('what no placeholder can look like has none', () => {
  const values = [
    '',
    'short',
    'with a blank in it',
    'several\nlines\nof text',
    'ünïcödé-ünïcödé',
    'x'.repeat(513),
    '--------------------',
    '1-2-3-4-5',
    'sk-ant-api03-AA',
    'a_______',
  ]
  for (const value of values) assert.equal(decoyFor(value), undefined, value)
})

test('property: of the length of the value, never the value or a part of another text, and mostly random', () => {
  const character = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...Array.from('abcdefABCDEF0123456789')) },
    fc.constantFrom(...Array.from('-_./+=~!')),
  )
  const value = fc.array(character, { minLength: 8, maxLength: 80 }).map((characters) => characters.join(''))
  fc.assert(
    fc.property(value, value, (text, other) => {
      const decoy = decoyFor(text, [other])
      if (decoy === undefined) return
      assert.equal(parsePlaceholder(decoy), decoy)
      assert.equal(decoy.length, text.length)
      for (const one of [text, other]) assert.equal(decoy.includes(one) || one.includes(decoy), false)
      assert.equal(decoy.replace(/[A-Za-z0-9]/g, ''), text.replace(/[A-Za-z0-9]/g, ''))
    }),
  )
})

test('128 bits for a key of 32 hexadecimal digits', () => {
  const counts = new Map<string, number>()
  for (let round = 0; round < 500; round++)
    for (const digit of decoyFor('3e4c80d95f16e4c20d9bf1674c2ad9b3') ?? '')
      counts.set(digit, (counts.get(digit) ?? 0) + 1)
  assert.equal(counts.size, 16)
  // 16 000 draws of 16 digits: 1000 each, and 200 off is more than six standard deviations.
  for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 200, String(count))
})
