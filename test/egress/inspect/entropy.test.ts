/**
 * What leaves as random as encrypted data is reported: bodies, messages, and values in URLs. A media type is a claim:
 * what is exempt has to bear its signature, and all of it has to be what it claims.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { partsOf } from '../../../src/egress/inspect/decode/context-views.ts'
import { entropyInspector, type EntropySettings } from '../../../src/egress/inspect/entropy.ts'
import type { Verdict } from '../../../src/egress/inspect/inspector.ts'
import * as files from './entropy-files.ts'
import { contextOf, ENTROPY, judge, randomLike, type Sent } from './entropy-traffic.ts'

const RANDOM = randomLike(4000)
const BODY = /^high entropy body: [78]\.\d\d \(threshold 7\.0\)$/
const GZIP = ['Content-Encoding', 'gzip']

function message(sent: Sent, settings: Partial<EntropySettings> = {}): Verdict {
  return entropyInspector({ ...ENTROPY, ...settings }).inspectMessage?.(contextOf(sent)) as Verdict
}

test('a random body is a warning, with entropy and threshold', () => {
  const inspector = entropyInspector(ENTROPY)
  assert.deepEqual(inspector.inspectRequest?.(contextOf({ body: randomLike(1_000_000) })), {
    kind: 'flag',
    reason: 'high entropy body: 8.00 (threshold 7.0)',
    severity: 'warning',
  })
})

test('action: block blocks', () => {
  const inspector = entropyInspector({ ...ENTROPY, action: 'block' })
  const verdict = inspector.inspectRequest?.(contextOf({ body: RANDOM })) as Verdict
  assert.equal(verdict.kind, 'block')
})

test('a body below min_body_bytes is not looked at, one of as many bytes is', () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, value) => value))
  assert.equal(judge({ body: bytes.subarray(1) }), '')
  assert.match(judge({ body: bytes }), /^high entropy body: 8\.00/)
})

test('the threshold itself is reported', () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, value) => value % 128))
  assert.match(judge({ body: bytes }), /^high entropy body: 7\.00/)
})

const HOSTILE: Readonly<Record<string, Sent>> = {
  'octet-stream': { type: 'application/octet-stream', body: RANDOM },
  'no type': { body: RANDOM },
  'a type nobody knows': { type: 'application/x-secret', body: RANDOM },
  'random bytes as image/png': { type: 'image/png', body: RANDOM },
  'the first bytes of a PNG before random ones': {
    type: 'image/png',
    body: Buffer.concat([files.png().subarray(0, 30), RANDOM]),
  },
  'the first bytes of a JPEG without its end': {
    type: 'image/jpeg',
    body: Buffer.concat([Buffer.from('ffd8ff', 'hex'), Buffer.from(RANDOM.map((byte) => (byte === 0xd9 ? 0 : byte)))]),
  },
  'a WebP that says another size': { type: 'image/webp', body: Buffer.concat([files.webp(), RANDOM]) },
  'a picture as sound': { type: 'audio/wav', body: files.png() },
  'a ZIP as PDF': { type: 'application/pdf', body: files.zip() },
  'a ZIP': { type: 'application/zip', body: files.zip() },
  'a ZIP as a document': { type: 'application/vnd.openxmlformats-officedocument.x', body: files.zip() },
  'random bytes as a push': { type: 'application/x-git-receive-pack-request', body: RANDOM },
  'random bytes in lines of a push': {
    type: 'application/x-git-receive-pack-request',
    body: Buffer.concat([Buffer.from('0404'), RANDOM.subarray(0, 0x400), Buffer.from('0000')]),
  },
  'a pack without commands': {
    type: 'application/x-git-receive-pack-request',
    body: files.gitPush().subarray(files.gitPush().indexOf('PACK')),
  },
  'random bytes that say they are compressed': { type: 'text/plain', headers: GZIP, body: RANDOM },
  'random bytes that were compressed': { headers: GZIP, body: gzipSync(RANDOM) },
  'random bytes behind the end of compressed ones': {
    headers: GZIP,
    body: Buffer.concat([gzipSync('hello'.repeat(50)), RANDOM]),
  },
  'random bytes behind the end of brotli': {
    headers: ['Content-Encoding', 'br'],
    body: Buffer.concat([brotliCompressSync('hello'.repeat(50)), RANDOM]),
  },
  'random bytes behind the end of zstd': {
    headers: ['Content-Encoding', 'zstd'],
    body: Buffer.concat([zstdCompressSync('hello'.repeat(50)), RANDOM]),
  },
  'an unknown coding': { headers: ['Content-Encoding', 'x-own'], body: RANDOM },
  'a coding too many': {
    headers: ['Content-Encoding', 'gzip, gzip, gzip'],
    body: gzipSync(gzipSync(gzipSync(RANDOM))),
  },
  'a random file beside a picture': {
    type: 'multipart/form-data; boundary=b',
    body: files.multipart('b', [
      { name: 'a', file: 'a.png', type: 'image/png', body: files.png(100_000) },
      { name: 'b', file: 'b.bin', type: 'application/octet-stream', body: RANDOM },
    ]),
  },
  'a random file beside much text': {
    type: 'multipart/form-data; boundary=b',
    body: files.multipart('b', [
      { name: 'a', body: 'text '.repeat(50_000) },
      { name: 'b', file: 'b.bin', body: RANDOM },
    ]),
  },
  'many files below the bound': {
    type: 'multipart/form-data; boundary=b',
    body: files.multipart(
      'b',
      Array.from({ length: 40 }, (_, index) => ({
        name: `f${index}`,
        file: 'x',
        type: 'application/octet-stream',
        body: randomLike(200, index),
      })),
    ),
  },
  'random bytes before the first part': {
    type: 'multipart/form-data; boundary=b',
    body: Buffer.concat([RANDOM, Buffer.from('\r\n--b\r\n\r\nx\r\n--b--\r\n')]),
  },
  'random bytes behind the last part': {
    type: 'multipart/form-data; boundary=b',
    body: Buffer.concat([files.multipart('b', [{ name: 'a', body: 'x' }]), RANDOM]),
  },
  'random bytes in the head of a part': {
    type: 'multipart/form-data; boundary=b',
    body: Buffer.concat([
      Buffer.from('--b\r\nX-Data: '),
      Buffer.from(RANDOM.map((byte) => (byte === 10 ? 0 : byte))),
      Buffer.from('\r\n\r\nx\r\n--b--\r\n'),
    ]),
  },
  'a picture in a part that never ends': {
    type: 'multipart/form-data; boundary=b',
    body: Buffer.concat([Buffer.from('--b\r\nContent-Type: image/png\r\n\r\n'), files.png(), RANDOM]),
  },
  'another boundary': {
    type: 'multipart/form-data; boundary=c',
    body: files.multipart('b', [{ name: 'a', file: 'a.png', type: 'image/png', body: files.png() }]),
  },
}

for (const [name, sent] of Object.entries(HOSTILE)) {
  test(name, () => assert.match(judge(sent).split('; ')[0] ?? '', BODY))
}

test('types are compared without regard to case', () => {
  assert.equal(judge({ type: 'Image/PNG; name=x', body: files.png() }), '')
  assert.equal(
    judge({ type: 'Application/PDF', body: files.pdf() }, { entropy: { exempt_content_types: ['APPLICATION/pdf'] } }),
    '',
  )
})

test('exemptions of a host are for it and its subdomains only', () => {
  const entropy = { host_exempt_content_types: { 'Store.Example': ['application/zip'] } }
  const sent: Sent = { type: 'application/zip', body: files.zip() }
  assert.equal(judge({ ...sent, host: 'store.example' }, { entropy }), '')
  assert.equal(judge({ ...sent, host: 'a.store.example' }, { entropy }), '')
  assert.match(judge({ ...sent, host: 'mystore.example' }, { entropy }), BODY)
  assert.match(judge({ ...sent, host: 'store.example', body: RANDOM }, { entropy }), BODY)
})

test('a type without a known signature is taken at its word, and * takes every type so', () => {
  assert.equal(
    judge({ type: 'application/x-own', body: RANDOM }, { entropy: { exempt_content_types: ['application/x-own'] } }),
    '',
  )
  assert.equal(judge({ body: RANDOM }, { entropy: { host_exempt_content_types: { 'api.example.com': ['*'] } } }), '')
})

test('a registry gets archives as octet-stream, and nothing else', () => {
  assert.equal(judge({ host: 'ghcr.io', type: 'application/octet-stream', body: files.gzip() }), '')
  assert.match(judge({ host: 'ghcr.io', type: 'application/octet-stream', body: RANDOM }), BODY)
})

test('messages are looked at on their way out, once for an exchange', () => {
  assert.equal(message({ protocol: 'websocket', body: RANDOM }).kind, 'flag')
  assert.equal(message({ protocol: 'websocket', direction: 'inbound', body: RANDOM }).kind, 'pass')
  const before = [
    { name: 'entropy', action: 'flag', reason: 'high entropy body: 7.99 (threshold 7.0)', severity: 'warning' },
  ] as const
  assert.equal(message({ protocol: 'websocket', body: RANDOM, priorResults: before }).kind, 'pass')
  assert.equal(
    message({ protocol: 'websocket', body: RANDOM, priorResults: before }, { action: 'block' }).kind,
    'block',
  )
  const ofUrl = [{ ...before[0], reason: 'high entropy URL path segment: 5.80 (threshold 5.5)' }]
  assert.equal(message({ protocol: 'websocket', body: RANDOM, priorResults: ofUrl }).kind, 'flag')
})

test('frames can be exempt by the name that the original gives them', () => {
  assert.equal(
    message({ protocol: 'websocket', body: RANDOM }, { exempt_content_types: ['application/x-websocket-frame'] }).kind,
    'pass',
  )
})

test('compressed gRPC messages are judged by what is in them', () => {
  const headers = ['grpc-encoding', 'gzip']
  assert.equal(
    message({ protocol: 'grpc', headers, body: gzipSync(Buffer.from('some text '.repeat(500))) }).kind,
    'pass',
  )
  assert.equal(message({ protocol: 'grpc', headers, body: gzipSync(RANDOM) }).kind, 'flag')
})

test('a bomb is judged as it was sent', () => {
  assert.equal(judge({ headers: GZIP, body: gzipSync(Buffer.alloc(64 * 1024 * 1024)) }), '')
})

test('no bytes make the inspectors throw', () => {
  const types = fc.constantFrom(
    '',
    'image/png',
    'multipart/form-data; boundary=b',
    'multipart/x; boundary="',
    'application/x-git-upload-pack-request',
    'application/json',
    'font/x',
    'audio/wav',
  )
  const codings = fc.constantFrom<string[]>(
    [],
    GZIP,
    ['content-encoding', 'br, zstd'],
    ['content-encoding', ','],
    ['Content-Encoding', 'deflate'],
  )
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.constantFrom('--b', '\r\n--b', '\r\n\r\n', '--b--', '0000', 'PACK', 'RIFF').map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(types, codings, fc.array(pieces, { maxLength: 12 }), (type, headers, parts) => {
      judge({ type, headers, body: Buffer.concat(parts) })
    }),
    { numRuns: 500 },
  )
})

test('every byte of a multipart body that is content is in some part', () => {
  const field = fc.record({
    name: fc.stringMatching(/^[a-z]{1,8}$/),
    body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  })
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 8 }), (fields) => {
      const body = files.multipart('a-boundary-that-does-not-occur', fields)
      const parts = partsOf(contextOf({ type: 'multipart/form-data; boundary=a-boundary-that-does-not-occur', body }))
      assert.deepEqual(Buffer.concat(parts.map(({ bytes }) => bytes)), Buffer.concat(fields.map((one) => one.body)))
    }),
  )
})
