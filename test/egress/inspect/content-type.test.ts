/**
 * Bodies that claim to be text and are none, and data that travels inside of text as base64, are reported: wherever the
 * base64 stands, wrapped or escaped. What ordinary work is full of is known by its looks, not by its name.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pacedBase64Runs, type Base64Run } from '../../../src/egress/inspect/content-type-base64.ts'
import * as files from './entropy-files.ts'
import { judge, randomLike, type Sent } from './entropy-traffic.ts'

const JSON_TYPE = 'application/json'
const DATA = randomLike(600, 'data')
const BASE64 = DATA.toString('base64')
const BLOB = /^large base64 blob \((\d+) chars\) in ([\w/+-]+) body$/

function only(sent: Sent, contentType = {}): string {
  return judge(sent, { contentType, entropy: { threshold: 8, min_body_bytes: 1e9 } })
}

for (const type of [
  'application/json',
  'application/xml',
  'text/plain',
  'application/x-www-form-urlencoded',
  'Text/HTML; charset=utf-8',
  'application/vnd.api+json',
]) {
  test(`${type} that is none`, () => {
    const essence = (type.split(';')[0] ?? '').toLowerCase()
    assert.equal(
      only({ type, body: randomLike(100_000) }),
      `content-type mismatch: ${essence} declared but body entropy is 8.00 (expected <6.5)`,
    )
  })
}

test('what claims to be no text is not looked at', () => {
  for (const type of ['', 'application/octet-stream', 'image/png'])
    assert.equal(only({ type, body: randomLike(5000) }), '')
})

test('a field of a form that is none', () => {
  const body = files.multipart('b', [{ name: 'a', body: randomLike(4000) }])
  assert.match(only({ type: 'multipart/form-data; boundary=b', body }), /^content-type mismatch: text\/plain declared/)
  assert.match(only({ type: 'multipart/form-data', body }), /^content-type mismatch: multipart\/form-data declared/)
})

test('UTF-8 with control characters is no text', () => {
  const units = [...randomLike(20_000)].map((byte, index) => (index % 2 === 0 ? byte % 128 : 128 + byte * 7))
  const body = Buffer.from(String.fromCharCode(...units))
  assert.match(only({ type: 'text/plain', body }), /^content-type mismatch/)
})

const PLACES: Readonly<Record<string, Sent>> = {
  'alone on a line': { type: 'text/plain', body: BASE64 },
  'a line among others': { type: 'text/plain', body: `Hello.\n${BASE64}\nBye.` },
  'not the first': { type: 'text/plain', body: `${'A'.repeat(100)}\n${'short text.\n'.repeat(20)}${BASE64}` },
  'inside of a line': { type: 'text/plain', body: `The data is ${BASE64}, as agreed.` },
  'a JSON string': { type: JSON_TYPE, body: JSON.stringify({ note: 'hi', data: BASE64 }) },
  'inside of a JSON string': { type: JSON_TYPE, body: JSON.stringify({ note: `see ${BASE64}.` }) },
  'URL-safe': { type: JSON_TYPE, body: JSON.stringify({ data: DATA.toString('base64url') }) },
  'wrapped as in mail': { type: 'text/plain', body: BASE64.replace(/.{76}/g, '$&\r\n') },
  'wrapped inside of JSON': { type: JSON_TYPE, body: JSON.stringify({ data: BASE64.replace(/.{64}/g, '$&\n') }) },
  'wrapped and indented': { type: 'application/xml', body: `<a>\n${BASE64.replace(/.{64}/g, '$&\n        ')}</a>` },
  'in a list of lines': { type: JSON_TYPE, body: JSON.stringify({ lines: BASE64.match(/.{1,60}/g) }) },
  'with escaped slashes': { type: JSON_TYPE, body: JSON.stringify({ data: BASE64 }).replaceAll('/', '\\/') },
  'with escaped plus signs': { type: JSON_TYPE, body: JSON.stringify({ data: BASE64 }).replaceAll('+', '\\u002b') },
  'in a form': { type: 'application/x-www-form-urlencoded', body: `a=1&data=${encodeURIComponent(BASE64)}&b=2` },
  'in a field': { type: 'multipart/form-data; boundary=b', body: files.multipart('b', [{ name: 'a', body: BASE64 }]) },
  'a picture, to no model': {
    type: JSON_TYPE,
    body: JSON.stringify({ url: `data:image/png;base64,${files.png().toString('base64')}` }),
  },
  'random bytes as a picture': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: JSON.stringify({ url: `data:image/png;base64,${BASE64}` }),
  },
  'a picture and more': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: JSON.stringify({ a: files.png().toString('base64'), b: BASE64 }),
  },
  'the head of a picture and random bytes': {
    host: 'api.openai.com',
    type: JSON_TYPE,
    body: JSON.stringify({
      a: Buffer.concat([files.png().subarray(0, 40), DATA, randomLike(4000)]).toString('base64'),
    }),
  },
  'an archive to a model': {
    host: 'api.anthropic.com',
    type: JSON_TYPE,
    body: JSON.stringify({ data: files.zip().toString('base64') }),
  },
  'a token of reasoning, to no model': { type: JSON_TYPE, body: JSON.stringify({ signature: BASE64 }) },
  'a token too long for one': {
    host: 'api.anthropic.com',
    type: JSON_TYPE,
    body: JSON.stringify({ signature: randomLike(60_000).toString('base64') }),
  },
  'a certificate too long for one': {
    type: 'text/plain',
    body: `-----BEGIN CERTIFICATE-----\n${randomLike(9000).toString('base64').replace(/.{64}/g, '$&\n')}`,
  },
  'a source map that is none': {
    type: 'text/plain',
    body: `//# sourceMappingURL=data:application/json;base64,${BASE64}`,
  },
  'a package of npm that is none': {
    host: 'registry.npmjs.org',
    type: JSON_TYPE,
    body: JSON.stringify({ data: BASE64 }),
  },
}

for (const [name, sent] of Object.entries(PLACES)) {
  test(`base64 ${name}`, () => assert.match(only(sent), BLOB))
}

test('the reason counts the characters', () => {
  assert.equal(
    only({ type: JSON_TYPE, body: JSON.stringify({ data: BASE64 }) }),
    'large base64 blob (800 chars) in application/json body',
  )
})

test('base64_min_len is the shortest that is reported', () => {
  assert.equal(only({ type: 'text/plain', body: BASE64.slice(0, 255) }), '')
  assert.match(only({ type: 'text/plain', body: BASE64.slice(0, 256) }), BLOB)
  assert.equal(only({ type: 'text/plain', body: BASE64.slice(0, 700) }, { base64_min_len: 701 }), '')
})

test('model_hosts are treated like those of models', () => {
  const sent: Sent = {
    host: 'llm.example',
    type: JSON_TYPE,
    body: JSON.stringify({ data: files.jpeg().toString('base64') }),
  }
  assert.match(only(sent), BLOB)
  assert.equal(only(sent, { model_hosts: ['LLM.example'] }), '')
})

test('a run is found whatever stands around it', () => {
  const around = fc.string({ maxLength: 80 }).map((text) => text.replace(/[A-Za-z0-9+/=_\\%-]/g, '.'))
  fc.assert(
    fc.property(around, around, fc.integer({ min: 200, max: 800 }), (before, after, size) => {
      const text = randomLike(size, size).toString('base64').replaceAll('=', '')
      const [run, ...more] = base64Runs(Buffer.from(`${before}.${text}.${after}`), 256)
      assert.deepEqual(more, [])
      assert.equal(run?.characters, text.length)
      assert.equal(run?.start, Buffer.byteLength(before) + 1)
    }),
  )
})

test('no bytes make it throw or find what is not there', () => {
  const pieces = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.constantFrom('\\', '\\u002b', '\\u', '%2B', '%', '\\n', '\\/', '=', '==', '\n', BASE64.slice(0, 40), '"'),
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
      const bytes = Buffer.from(parts.join(''))
      for (const run of base64Runs(bytes, 64)) {
        assert.ok(
          run.start >= 0 && run.start < run.end && run.end <= bytes.length && run.characters <= run.end - run.start,
        )
      }
    }),
    { numRuns: 2000 },
  )
})

test('ten megabytes of what is slow to look at do not add up', (t) => {
  for (const piece of ['\\u002b', '%2B', '\\/', 'A', `${'A'.repeat(33)}\\`, `${BASE64.slice(0, 40)}\n`, '=A']) {
    const bytes = Buffer.from(piece.repeat(Math.ceil(1e7 / piece.length)))
    const started = performance.now()
    for (const run of base64Runs(bytes, 256)) assert.ok(run.end <= bytes.length)
    t.diagnostic(`${JSON.stringify(piece.slice(0, 8))}: ${(performance.now() - started).toFixed(0)} ms`)
  }
})

/** Without the places to pause. */
function base64Runs(bytes: Buffer, minCharacters: number): readonly Base64Run[] {
  return [...pacedBase64Runs(bytes, minCharacters)].filter((step) => typeof step !== 'number')
}
