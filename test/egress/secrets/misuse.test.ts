/**
 * Placeholders and real values on their way to where they must not go.
 *
 * Wherever one stands in a request - host, path, query, header names and values, Basic credentials, body - and however
 * it is escaped there, a host outside `inject_to` gets nothing, and the reason names the secret and the host.
 * For a host in `inject_to` the same requests are fine.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import type { OutboundRequest } from '../../../src/egress/secrets/binding.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'
import { basic, binding, misuse, onTheWire, PLACEHOLDER, request, VALUE } from './example.ts'

type Parts = Partial<Omit<OutboundRequest, 'authority'>>

/** Encoders that leave the text readable to whoever decodes what they are named after. */
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'percent-encoded': encodeURIComponent,
  'percent-encoded in lower case': (text) => encodeURIComponent(text).replace(/%../g, (escape) => escape.toLowerCase()),
  'percent-encoded throughout': (text) =>
    text.replace(/[^]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`),
  'percent-encoded here and there': (text) => text.replace(/[aek]/g, (c) => `%${c.charCodeAt(0).toString(16)}`),
  'a JSON string': (text) => JSON.stringify(text),
  'a JSON string escaped throughout': (text) =>
    `"${text.replace(/[^]/g, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)}"`,
  'a JSON string escaped here and there': (text) => `"${text.replaceAll('a', '\\u0061').replaceAll('/', '\\/')}"`,
}

/** Where a text can stand. */
const PLACES: Readonly<Record<string, (text: string) => Parts>> = {
  'the path': (text) => ({ target: `/v1/${text}/x` }),
  'the query': (text) => ({ target: `/v1?a=1&key=${text}&b=2` }),
  'a header value': (text) => ({ headers: ['Accept', '*/*', 'X-Api-Key', text] }),
  'a header value among others': (text) => ({ headers: ['Cookie', `a=1; token=${text}; b=2`, 'Accept', '*/*'] }),
  'a header name': (text) => ({ headers: ['Accept', '*/*', text, '1'] }),
  'a bearer token': (text) => ({ headers: ['authorization', `Bearer ${text}`] }),
  'Basic credentials, password': (text) => ({ headers: ['Authorization', basic(`user:${text}`)] }),
  'Basic credentials, user': (text) => ({ headers: ['Authorization', basic(`${text}:`)] }),
  'Basic credentials, other spelling': (text) => ({
    headers: ['x-forwarded-authorization', `bASIC  ${Buffer.from(`user:${text}`).toString('base64url')}`],
  }),
  'a JSON body': (text) => ({
    headers: ['Content-Type', 'application/json'],
    body: Buffer.from(`{"key": ${text}, "b": "\\n\\\\"}`),
  }),
  'a form body': (text) => ({
    headers: ['Content-Type', 'application/x-www-form-urlencoded'],
    body: Buffer.from(`a=%20&key=${text}&b=2`),
  }),
  'a body without a type': (text) => ({ body: Buffer.from(`${text}\n`) }),
  'a binary body': (text) => ({
    body: Buffer.concat([Buffer.from([0, 255, 254, 128]), Buffer.from(text), Buffer.from([0, 37, 92])]),
  }),
}

const secrets = new SecretSet([binding({})])

for (const [place, put] of Object.entries(PLACES)) {
  for (const [encoding, encode] of Object.entries(ENCODINGS)) {
    test(`placeholder in ${place}, ${encoding}`, () => {
      const parts = put(encode(PLACEHOLDER))
      assert.deepEqual(misuse(secrets, request('evil.test', parts)), {
        kind: 'placeholder',
        name: 'API_KEY',
        reason: 'placeholder API_KEY sent to unauthorized domain evil.test',
      })
      assert.equal(misuse(secrets, request('api.test', parts)), undefined)
    })
  }
}

for (const place of Object.keys(PLACES)) {
  for (const [spelling, text] of [
    ['as it is', VALUE],
    ['as JSON', JSON.stringify(VALUE)],
    ['percent-encoded', encodeURIComponent(VALUE)],
  ] as const) {
    test(`real value in ${place}, ${spelling}`, () => {
      const inHead = !place.endsWith('body') && !place.endsWith('type') && !place.startsWith('Basic')
      const parts = PLACES[place]?.(inHead ? onTheWire(text) : text) ?? {}
      assert.deepEqual(misuse(secrets, request('evil.test', parts)), {
        kind: 'value',
        name: 'API_KEY',
        reason: 'literal secret value API_KEY found in outbound request to evil.test',
      })
      assert.equal(misuse(secrets, request('api.test', parts)), undefined)
    })
  }
}

test('attack: a value that is a label of the host', () => {
  const dns = new SecretSet([binding({ value: '0123456789abcdef' })])
  const found = misuse(dns, request('0123456789abcdef.evil.test'))
  assert.equal(found?.reason, 'literal secret value API_KEY found in outbound request to 0123456789abcdef.evil.test')
})

test('attack: hosts that only look like the one in inject_to', () => {
  const parts: Parts = { target: `/?k=${PLACEHOLDER}` }
  for (const host of ['xapi.test', 'api.test.evil.example', 'api.testing', 'test', 'api-test', '[::1]', '10.0.0.1']) {
    assert.notEqual(misuse(secrets, request(host, parts)), undefined, host)
  }
  for (const host of ['api.test', 'API.test', 'eu.api.test', 'a.b.api.test', 'api.test:443']) {
    assert.equal(misuse(secrets, request(host, parts)), undefined, host)
  }
})

test('attack: without TLS to a host that only "*" covers', () => {
  const everywhere = new SecretSet([binding({ injectTo: ['*'] })])
  const parts: Parts = { headers: ['X-Key', PLACEHOLDER] }
  assert.equal(misuse(everywhere, request('any.test', parts)), undefined)
  assert.deepEqual(misuse(everywhere, request('any.test', { ...parts, scheme: 'http' })), {
    kind: 'placeholder',
    name: 'API_KEY',
    reason: 'placeholder API_KEY would leave unencrypted to any.test',
  })
})

test('a host may be one without TLS where its entry says so', () => {
  const parts: Parts = { headers: ['X-Key', PLACEHOLDER], scheme: 'http' }
  const plain = { host: 'api.test', scheme: 'http' }
  assert.equal(misuse(new SecretSet([binding({ injectTo: ['*', plain] })]), request('api.test', parts)), undefined)
  assert.equal(misuse(secrets, request('api.test', parts))?.kind, 'placeholder')
})

test('a permitted placeholder does not hide one that is not', () => {
  const other = 'agentcage:secret:OTHER:ffeeddccbbaa99887766554433221100'
  const two = new SecretSet([
    binding({}),
    binding({ name: 'OTHER', placeholder: other, value: 'other value', injectTo: ['other.test'] }),
  ])
  const parts: Parts = { body: Buffer.from(`${PLACEHOLDER} ${PLACEHOLDER} ${other}`) }
  assert.equal(
    misuse(two, request('api.test', parts))?.reason,
    'placeholder OTHER sent to unauthorized domain api.test',
  )
  assert.equal(
    misuse(two, request('other.test', parts))?.reason,
    'placeholder API_KEY sent to unauthorized domain other.test',
  )
})

test('a value that two secrets share may go where either may', () => {
  const second = binding({ name: 'SECOND', placeholder: 'placeholder-2', injectTo: ['second.test'] })
  const shared = new SecretSet([binding({}), second])
  const parts: Parts = { body: Buffer.from(VALUE) }
  assert.equal(misuse(shared, request('second.test', parts)), undefined)
  assert.equal(misuse(shared, request('evil.test', parts))?.kind, 'value')
})

test('of placeholders that begin with one another each is told from the other', () => {
  const nested = new SecretSet([
    binding({ name: 'ONE', placeholder: 'PLACEHOLDER_1', value: 'value one', injectTo: ['one.test'] }),
    binding({ name: 'TWELVE', placeholder: 'PLACEHOLDER_12', value: 'value twelve', injectTo: ['twelve.test'] }),
  ])
  assert.equal(misuse(nested, request('twelve.test', { target: '/?k=PLACEHOLDER_12' })), undefined)
  assert.equal(misuse(nested, request('twelve.test', { target: '/?k=PLACEHOLDER_1' }))?.name, 'ONE')
  assert.equal(misuse(nested, request('one.test', { target: '/?k=PLACEHOLDER_12' }))?.name, 'TWELVE')
})

test('what lies in two fields is not one text', () => {
  const [start, end] = [PLACEHOLDER.slice(0, 20), PLACEHOLDER.slice(20)]
  assert.equal(misuse(secrets, request('evil.test', { headers: ['a', start, end, '1'] })), undefined)
})

test('a WebSocket message is judged like a body', () => {
  const message: Parts = { target: '', headers: [], body: Buffer.from(PLACEHOLDER) }
  assert.equal(
    misuse(secrets, request('evil.test', message))?.reason,
    'placeholder API_KEY sent to unauthorized domain evil.test',
  )
})

test('an escaped backslash begins no escape in one layer, and one in two', () => {
  const body = Buffer.from(JSON.stringify(PLACEHOLDER.replace('a', '\\u0061')))
  assert.equal(misuse(secrets, request('evil.test', { body }))?.kind, 'placeholder')
})

test('property: requests without our texts pass to any host', () => {
  const text = fc.string({ unit: 'binary-ascii', maxLength: 60 })
  fc.assert(
    fc.property(text, fc.array(text), fc.uint8Array({ maxLength: 200 }), (target, headers, body) => {
      const parts: Parts = { target, headers, body: Buffer.from(body) }
      assert.equal(misuse(secrets, request('evil.test', parts)), undefined)
    }),
  )
})

test('fuzz: damaged escapes neither crash nor hide a whole placeholder', async (t) => {
  const encoders = Object.values(ENCODINGS)
  await fuzz(t, { runs: 300 }, (random) => {
    const noise = mutate(random, Buffer.from(random.pick(encoders)(VALUE)))
    const body = Buffer.concat([noise, Buffer.from(` ${PLACEHOLDER} `), noise])
    assert.notEqual(misuse(secrets, request('evil.test', { body })), undefined)
    misuse(
      secrets,
      request('evil.test', {
        body: mutate(random, body),
        headers: ['Authorization', `Basic ${noise.toString('base64')}`],
      }),
    )
  })
})
