/** Real AWS keys in the forms that people have them, and decoys of the shape that clients expect. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decoyKeys, parseAwsKeys } from '../../../../src/egress/secrets/transforms/aws-keys.ts'
import { Secret } from '../../../../src/secrets/secret.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const ID = 'AKIAIOSFODNN7EXAMPLE'

function parse(value: unknown, id?: string): ReturnType<typeof parseAwsKeys> {
  return parseAwsKeys(new Secret('AWS', typeof value === 'string' ? value : JSON.stringify(value)), id)
}

test('what a credential_process prints', () => {
  const printed = {
    Version: 1,
    AccessKeyId: ID,
    SecretAccessKey: SECRET,
    SessionToken: 'token',
    Expiration: '2026-01-01T00:00:00Z',
  }
  assert.deepEqual(parse(printed), {
    accessKeyId: ID,
    secretAccessKey: SECRET,
    sessionToken: 'token',
    expiresAt: Date.UTC(2026, 0, 1),
  })
})

test('the secret access key alone, with the id from the rule', () => {
  assert.deepEqual(parse(SECRET, ID), {
    accessKeyId: ID,
    secretAccessKey: SECRET,
    sessionToken: undefined,
    expiresAt: undefined,
  })
})

describe('what cannot sign is refused, and never shown', () => {
  const good = { AccessKeyId: ID, SecretAccessKey: SECRET }
  for (const [value, message] of [
    [SECRET, /names no access_key_id/],
    [{ ...good, AccessKeyId: 'a b' }, /no AccessKeyId/],
    [{ ...good, SecretAccessKey: 'short' }, /no secret access key/],
    [{ ...good, SecretAccessKey: `${SECRET}\n` }, /no secret access key/],
    [{ ...good, SessionToken: 'a b' }, /SessionToken that is none/],
    [{ ...good, Expiration: 'hunter2' }, /Expiration that is no time/],
    [`{"SecretAccessKey": "${SECRET}"`, /begins like JSON/],
  ] as const) {
    test(String(message), () =>
      assert.throws(
        () => parse(value),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'secret_invalid')
          assert.match(error.message, message)
          assert.doesNotMatch(`${error.message}${error.stack}`, /hunter2|wJalr/)
          return true
        },
      ),
    )
  }
})

test('decoys have the shape of keys, are the same again, and others for another placeholder', () => {
  const decoys = decoyKeys('agentcage:secret:AWS:00112233445566778899aabbccddeeff')
  assert.match(decoys.accessKeyId, /^AKIA[A-Z2-7]{16}$/)
  assert.match(decoys.secretAccessKey, /^[A-Za-z0-9+/]{40}$/)
  assert.deepEqual(decoyKeys('agentcage:secret:AWS:00112233445566778899aabbccddeeff'), decoys)
  const others = decoyKeys('agentcage:secret:AWS:00112233445566778899aabbccddeefe')
  assert.notEqual(others.accessKeyId, decoys.accessKeyId)
  assert.notEqual(others.secretAccessKey, decoys.secretAccessKey)
})
