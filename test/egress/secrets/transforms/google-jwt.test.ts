/** Keys of service accounts, and the assertions that are made with them: any other library must take them. */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import { signAssertion } from '../../../../src/egress/secrets/transforms/jwt-assertion.ts'
import { parseServiceAccount } from '../../../../src/egress/secrets/transforms/service-account.ts'
import { Secret } from '../../../../src/secrets/secret.ts'

const { privateKey: PEM } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const KEY = {
  type: 'service_account',
  project_id: 'p',
  private_key_id: 'key-1',
  private_key: PEM,
  client_email: 'agent@p.iam.gserviceaccount.com',
  token_uri: 'https://attacker.test/token',
}

function secretOf(value: unknown): Secret {
  return new Secret('GOOGLE_KEY', typeof value === 'string' ? value : JSON.stringify(value))
}

test('an assertion says who asks for what, where and how long, signed RS256', () => {
  const now = new Date('2026-01-02T03:04:05.678Z')
  const claims = { scopes: ['https://a.test/one', 'two'], audience: 'https://oauth2.googleapis.com/token' }
  const [header = '', payload = '', signature = ''] = signAssertion(
    parseServiceAccount(secretOf(KEY)),
    claims,
    now,
  ).split('.')
  const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
  assert.deepEqual(decode(header), { alg: 'RS256', typ: 'JWT', kid: 'key-1' })
  assert.deepEqual(decode(payload), {
    iss: 'agent@p.iam.gserviceaccount.com',
    scope: 'https://a.test/one two',
    aud: 'https://oauth2.googleapis.com/token',
    iat: 1_767_323_045,
    exp: 1_767_326_645,
  })
  const signed = Buffer.from(`${header}.${payload}`)
  assert.ok(verify('sha256', signed, createPublicKey(PEM), Buffer.from(signature, 'base64url')))
})

test('the key is known as text, with and without its frame', () => {
  const { texts } = parseServiceAccount(secretOf(KEY))
  assert.deepEqual(texts, [PEM.trim(), PEM.split('\n').slice(1, -2).join('')])
})

describe('what is no key of a service account is refused, and never shown', () => {
  const small = generateKeyPairSync('rsa', {
    modulusLength: 1024,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey
  const curve = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey
  const cases: Readonly<Record<string, readonly [unknown, RegExp]>> = {
    'not JSON': ['hunter2 {', /is not JSON/],
    'a list': [['hunter2'], /not a JSON object/],
    null: ['null', /not a JSON object/],
    'a user': [{ ...KEY, type: 'authorized_user' }, /not the key of a service account/],
    'no address': [{ ...KEY, client_email: undefined }, /no client_email/],
    'an address with a line break': [{ ...KEY, client_email: 'a@b\nhunter2' }, /no client_email/],
    'a key id that is none': [{ ...KEY, private_key_id: 7 }, /private_key_id that is none/],
    'no key': [{ ...KEY, private_key: undefined }, /has no private_key/],
    'a broken key': [{ ...KEY, private_key: PEM.replace('MII', 'hunter2') }, /cannot be read/],
    'a small key': [{ ...KEY, private_key: small }, /not RSA of at least 2048 bits/],
    'a key of another kind': [{ ...KEY, private_key: curve }, /not RSA of at least 2048 bits/],
  }
  for (const [name, [value, message]] of Object.entries(cases)) {
    test(name, () =>
      assert.throws(
        () => parseServiceAccount(secretOf(value)),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'secret_invalid')
          assert.match(error.message, message)
          assert.doesNotMatch(`${error.message}${JSON.stringify(error)}${error.stack}`, /hunter2|BEGIN PRIVATE/)
          return true
        },
      ),
    )
  }
})
