/**
 * Injection: real values in the place of placeholders, at the last moment.
 *
 * In header fields that carry credentials, Basic ones too, and where a rule asks for it in all others, path and query,
 * and the body, written so that the value stays inside of the component it stands in. Nothing but placeholders changes;
 * a request without one comes back identical.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import type { OutboundRequest } from '../../../src/egress/secrets/binding.ts'
import { InjectionRefused } from '../../../src/egress/secrets/injector.ts'
import { basic, binding, onTheWire, PLACEHOLDER, request, VALUE } from './example.ts'

const secrets = new SecretSet([binding({})])

function inject(parts: Partial<OutboundRequest>, set = secrets): ReturnType<SecretSet['inject']> {
  return set.inject({ ...request('api.test'), ...parts })
}

function injectBody(contentType: string, body: string): string {
  const injected = inject({ headers: contentType === '' ? [] : ['content-type', contentType], body: Buffer.from(body) })
  assert.deepEqual(injected.injected, ['API_KEY'])
  return injected.body.toString()
}

test('header values: whole, among other text, repeated', () => {
  const headers = [
    'Authorization',
    `Bearer ${PLACEHOLDER}`,
    'X-Two',
    `${PLACEHOLDER},${PLACEHOLDER}`,
    'x-key',
    PLACEHOLDER,
  ]
  const { headers: out, injected } = inject({ headers })
  const value = onTheWire(VALUE)
  assert.deepEqual(out, ['Authorization', `Bearer ${value}`, 'X-Two', `${value},${value}`, 'x-key', value])
  assert.deepEqual(injected, ['API_KEY'])
})

test('Basic credentials are decoded, filled and encoded again', () => {
  for (const scheme of ['Basic', 'basic', 'BASIC ']) {
    const { headers } = inject({ headers: ['Authorization', basic(`us:er:${PLACEHOLDER}`).replace('Basic', scheme)] })
    assert.equal(headers[1], basic(`us:er:${VALUE}`).replace('Basic', scheme))
  }
})

test('a placeholder may stand for the whole of the Basic credentials', () => {
  const set = new SecretSet([binding({ placeholder: 'WHOLECREDENTIALS', value: 'dXNlcjpwYXNz' })])
  assert.equal(inject({ headers: ['Authorization', 'Basic WHOLECREDENTIALS'] }, set).headers[1], 'Basic dXNlcjpwYXNz')
})

test('order, case, duplicates and everything else of the headers stay', () => {
  const headers = ['B', '1', 'a', '', 'B', '2', 'X-Key', PLACEHOLDER, 'a', 'ü'.repeat(3), 'Basic', basic('x:y')]
  const out = inject({ headers }).headers
  assert.deepEqual(out.toSpliced(7, 1), headers.toSpliced(7, 1))
})

test('attack: never in the host, in framing or in field names', () => {
  const headers = [
    'Host',
    PLACEHOLDER,
    ':authority',
    PLACEHOLDER,
    'Transfer-Encoding',
    PLACEHOLDER,
    'connection',
    PLACEHOLDER,
    PLACEHOLDER,
    '1',
  ]
  const { headers: out, injected } = inject({ headers })
  assert.equal(out, headers)
  assert.deepEqual(injected, [])
})

test('attack: line breaks in a value do not begin another field', () => {
  for (const value of ['one\r\nX-Evil: 1', 'one\ntwo', 'a\rb', 'bell\u0007', 'del\u007f']) {
    const set = new SecretSet([binding({ value })])
    assert.throws(
      () => inject({ headers: ['X-Key', PLACEHOLDER] }, set),
      (error) => error instanceof InjectionRefused && error.secret === 'API_KEY' && !`${error.stack}`.includes(value),
    )
    assert.equal(inject({ headers: ['Authorization', basic(`u:${PLACEHOLDER}`)] }, set).headers[1], basic(`u:${value}`))
    assert.equal(inject({ body: Buffer.from(PLACEHOLDER) }, set).body.toString(), value)
  }
})

test('attack: a value in the URL stays in its component', () => {
  for (const value of [
    VALUE,
    'a&admin=1',
    'a#b',
    'a b',
    '../../x',
    'x?y',
    'a\r\nHost: evil',
    '%41',
    "'();*!",
    'ü€😀',
  ]) {
    const set = new SecretSet([binding({ value })])
    const { target } = inject({ target: `/p/${PLACEHOLDER}/q?k=${PLACEHOLDER}&l=1` }, set)
    assert.match(target, /^\/p\/[\w.~%-]+\/q\?k=[\w.~%-]+&l=1$/)
    const url = new URL(target, 'https://api.test')
    assert.equal(url.searchParams.get('k'), value)
    assert.equal(decodeURIComponent(url.pathname.split('/')[2] ?? ''), value)
    assert.equal(url.searchParams.size, 2)
  }
})

test('a placeholder that the client percent-encoded is found in the URL, the rest of it stays as sent', () => {
  const { target } = inject({ target: `/%7euser/%2F?a=%20%zz%&k=${encodeURIComponent(PLACEHOLDER)}&z=%41%c3%a9` })
  assert.match(target, /^\/%7euser\/%2F\?a=%20%zz%&k=[\w.~%-]+&z=%41%c3%a9$/)
  assert.equal(decodeURIComponent(/k=([^&]*)/.exec(target)?.[1] ?? ''), VALUE)
})

test('JSON bodies: the value is a JSON string, escaped placeholders are found', () => {
  for (const type of [
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/vnd.api+json',
    'application/x-ndjson',
  ]) {
    assert.deepEqual(JSON.parse(injectBody(type, JSON.stringify({ a: `x ${PLACEHOLDER} y`, b: '\\"\n' }))), {
      a: `x ${VALUE} y`,
      b: '\\"\n',
    })
  }
  const escaped = `{ "a" : "\\n\\u0061${PLACEHOLDER.slice(1)}\\u00e9\\\\", "b":1 }`
  const before = `{ "a" : "\\n`
  const out = injectBody('application/json', escaped)
  assert.equal(out, `${before}${JSON.stringify(VALUE).slice(1, -1)}\\u00e9\\\\", "b":1 }`)
})

test('form bodies: the value is percent-encoded, encoded placeholders are found', () => {
  for (const text of [PLACEHOLDER, encodeURIComponent(PLACEHOLDER)]) {
    const out = new URLSearchParams(injectBody('application/x-www-form-urlencoded', `a=1+2&k=${text}&z=%26`))
    assert.deepEqual(
      [...out],
      [
        ['a', '1 2'],
        ['k', VALUE],
        ['z', '&'],
      ],
    )
  }
})

test('JSON that a client calls a form or plain text is treated as JSON', () => {
  const json = JSON.stringify({ key: PLACEHOLDER })
  for (const type of ['application/x-www-form-urlencoded', 'text/plain;charset=UTF-8', '']) {
    assert.deepEqual(JSON.parse(injectBody(type, ` \n${json}`)), { key: VALUE })
  }
})

test('other bodies get the value as it is', () => {
  for (const type of [
    'text/plain',
    'application/octet-stream',
    'multipart/form-data; boundary=x',
    'application/xml',
    '',
  ]) {
    assert.equal(injectBody(type, `a ${PLACEHOLDER}%41\\u0061`), `a ${VALUE}%41\\u0061`)
  }
})

test('Content-Length follows the body', () => {
  const body = Buffer.from(PLACEHOLDER)
  const { headers } = inject({ headers: ['content-LENGTH', String(body.length), 'X', String(body.length)], body })
  assert.deepEqual(headers, ['content-LENGTH', String(Buffer.byteLength(VALUE)), 'X', String(body.length)])
})

test('without inject_body only in fields that carry credentials or are listed; what stays is reported', () => {
  const set = new SecretSet([binding({ injectBody: false, injectHeaders: ['x-secret', 'cookie'] })])
  for (const name of [
    'Authorization',
    'x-api-KEY',
    'X-Auth',
    'PRIVATE-TOKEN',
    'X-Goog-Api-Key',
    'X-Secret',
    'Cookie',
  ]) {
    const { headers, injected, left } = inject({ headers: [name, PLACEHOLDER] }, set)
    assert.deepEqual([headers, injected, left], [[name, onTheWire(VALUE)], ['API_KEY'], []])
  }
  const elsewhere: readonly Partial<OutboundRequest>[] = [
    { headers: ['X-Other', PLACEHOLDER, 'User-Agent', `x ${PLACEHOLDER}`] },
    { headers: ['X-Other', basic(`user:${PLACEHOLDER}`)] },
    { target: `/?key=${PLACEHOLDER}` },
    { target: `/${encodeURIComponent(PLACEHOLDER)}` },
    { headers: ['Content-Type', 'application/json'], body: Buffer.from(`{"token":"\\u0061${PLACEHOLDER.slice(1)}"}`) },
  ]
  for (const parts of elsewhere) {
    const { target, headers, body, injected, left } = inject(parts, set)
    assert.deepEqual([injected, left], [[], ['API_KEY']])
    assert.deepEqual({ target, headers, body }, { target: '/', headers: ['Host', 'api.test'], body, ...parts })
  }
})

test('a cookie is no field that carries credentials unless it is listed', () => {
  const set = new SecretSet([binding({ injectBody: false })])
  assert.deepEqual(inject({ headers: ['Cookie', `a=${PLACEHOLDER}`] }, set).left, ['API_KEY'])
})

test('each secret in its own places', () => {
  const set = new SecretSet([
    binding({ injectBody: false }),
    binding({ name: 'WIDE', placeholder: 'WIDE-PLACEHOLDER', value: 'wide value' }),
  ])
  const { headers, body, injected, left } = inject(
    { headers: ['X-Key', `${PLACEHOLDER} WIDE-PLACEHOLDER`], body: Buffer.from(`${PLACEHOLDER} WIDE-PLACEHOLDER`) },
    set,
  )
  assert.deepEqual(headers, ['X-Key', `${onTheWire(VALUE)} wide value`])
  assert.equal(body.toString(), `${PLACEHOLDER} wide value`)
  assert.deepEqual([injected.toSorted(), left], [['API_KEY', 'WIDE'], ['API_KEY']])
})

test('only secrets that the destination may have are put in', () => {
  const set = new SecretSet([
    binding({}),
    binding({ name: 'OTHER', placeholder: 'OTHER-PLACEHOLDER', value: 'other value', injectTo: ['other.test'] }),
    binding({ name: 'ANY', placeholder: 'ANY-PLACEHOLDER', value: 'any value', injectTo: ['*'] }),
  ])
  const body = Buffer.from('OTHER-PLACEHOLDER ANY-PLACEHOLDER')
  assert.equal(inject({ body }, set).body.toString(), 'OTHER-PLACEHOLDER any value')
  assert.deepEqual(inject({ body, scheme: 'http' }, set).injected, [], 'not unencrypted on the strength of "*"')
  assert.equal(set.inject(request('sub.other.test', { body })).body.toString(), 'other value any value')
})

test('a request without placeholders comes back identical', () => {
  const headers = ['Accept', '*/*', 'Authorization', basic('user:password'), 'Content-Length', '14']
  const body = Buffer.from('{"a": "%41\\u0061"}')
  for (const host of ['api.test', 'elsewhere.test']) {
    const out = secrets.inject(request(host, { target: '/a%20b?c=d', headers, body }))
    assert.deepEqual(out, { target: '/a%20b?c=d', headers, body, injected: [], left: [], missing: [] })
    assert.equal(out.headers, headers)
    assert.equal(out.body, body)
  }
})

test('canInject tells which hosts may get a secret', () => {
  const { authority } = request('eu.api.test')
  assert.equal(secrets.canInject(authority), true)
  assert.equal(secrets.canInject(request('evil.test').authority), false)
  assert.equal(new SecretSet([binding({ injectTo: ['*'] })]).canInject(authority), true)
  assert.equal(new SecretSet([]).canInject(authority), false)
})

test('property: injection touches nothing but the placeholder, and redaction undoes it', () => {
  const safe = fc.string({
    unit: fc.constantFrom('x', '/', '%41', '%', '\\', '\\u0061', '"', '&', ' ', 'agentcage:secret:', 'é'),
    maxLength: 20,
  })
  const type = fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain', 'image/png')
  fc.assert(
    fc.property(fc.array(safe, { minLength: 2, maxLength: 5 }), type, (parts, contentType) => {
      const body = Buffer.from(parts.join(PLACEHOLDER))
      const injected = inject({ headers: ['Content-Type', contentType], body }).body
      const values = [VALUE, JSON.stringify(VALUE).slice(1, -1)]
      const encoded = encodeURIComponent(VALUE)
      const used = [...values, encoded].find((value) => parts.join(value) === injected.toString())
      assert.notEqual(used, undefined)
      const redactor = secrets.bodyRedactor()
      const back = Buffer.concat([redactor.push(injected), redactor.end()]).toString()
      assert.equal(back, parts.join(used === encoded ? encodeURIComponent(PLACEHOLDER) : PLACEHOLDER))
    }),
    { numRuns: 500 },
  )
})
