/** What token endpoints answer: tokens are taken from what RFC 6749 says, and from nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_TOKEN_RESPONSE, parseTokenResponse } from '../../../../src/egress/secrets/transforms/token-response.ts'

function parse(value: unknown): ReturnType<typeof parseTokenResponse> {
  return parseTokenResponse(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
}

test('every token, and what was granted', () => {
  const fields = {
    access_token: 'access-token-1',
    token_type: 'Bearer',
    expires_in: 3599,
    refresh_token: 'refresh-token-1',
    id_token: 'header.payload.signature',
    scope: 'a b',
  }
  assert.deepEqual(parse(fields), {
    accessToken: 'access-token-1',
    expiresIn: 3599,
    refreshToken: 'refresh-token-1',
    idToken: 'header.payload.signature',
    scope: 'a b',
  })
})

test('only the access token is needed', () => {
  const fields = { access_token: 'access-token-1', refresh_token: null }
  assert.deepEqual(parse(fields), {
    accessToken: 'access-token-1',
    expiresIn: undefined,
    refreshToken: undefined,
    idToken: undefined,
    scope: undefined,
  })
})

test('a lifetime may be text; a long one is cut to a year', () => {
  assert.equal(parse({ access_token: 'access-token-1', expires_in: '60' })?.expiresIn, 60)
  assert.equal(parse({ access_token: 'access-token-1', expires_in: 1e12 })?.expiresIn, 366 * 86_400)
})

test('what is not such a response', () => {
  const good = { access_token: 'access-token-1' }
  for (const value of [
    '',
    'access_token=access-token-1',
    'null',
    [good],
    {},
    { error: 'invalid_grant' },
    { access_token: 7 },
    { access_token: 'short' },
    { access_token: 'with\r\nbreak-1' },
    { access_token: 'wíth-accents' },
    { ...good, expires_in: -1 },
    { ...good, expires_in: 'soon' },
    { ...good, expires_in: [60] },
    { ...good, refresh_token: {} },
    { ...good, refresh_token: '' },
    { ...good, id_token: true },
    { ...good, padding: 'x'.repeat(MAX_TOKEN_RESPONSE) },
  ])
    assert.equal(parse(value), undefined, JSON.stringify(value).slice(0, 80))
})

test('anything else is no response, and no error', () => {
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => void parse(text)))
})
