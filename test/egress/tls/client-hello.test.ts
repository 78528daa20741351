/**
 * A well-formed ClientHello gives its server name as sent and its protocols, however it is cut into records and
 * whatever extensions are around.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_CLIENT_HELLO, readClientHello } from '../../../src/egress/tls/client-hello.ts'
import { alpn, extension, hello, helloBody, message, record, refragment, serverName } from './hello-builder.ts'

const NO_NAME = { kind: 'hello', serverName: undefined, alpn: [] } as const
const API = { kind: 'hello', serverName: 'api.test', alpn: [] } as const
const none = Buffer.alloc(0)
const FULL_RECORDS = [16_384, 16_384, 16_384, 16_384]
const padding = (length: number) => extension(21, Buffer.alloc(length))

const wellFormed: Readonly<Record<string, readonly [bytes: Buffer, expected: object]>> = {
  'a server name': [hello(), API],
  'a server name with capitals, as sent': [
    hello({ extensions: serverName('Api.TEST') }),
    { ...API, serverName: 'Api.TEST' },
  ],
  'a server name with a trailing dot, as sent': [
    hello({ extensions: serverName('api.test.') }),
    { ...API, serverName: 'api.test.' },
  ],
  'a server name after unknown extensions': [
    hello({ extensions: Buffer.concat([extension(0x0a0a, none), serverName('api.test')]) }),
    API,
  ],
  protocols: [hello({ extensions: alpn('h2', 'http/1.1') }), { ...NO_NAME, alpn: ['h2', 'http/1.1'] }],
  'a protocol of arbitrary bytes': [
    hello({ extensions: extension(16, Buffer.of(0, 2, 1, 0xff)) }),
    { ...NO_NAME, alpn: ['\xff'] },
  ],
  'no extensions': [hello({ extensions: none }), NO_NAME],
  'not even a length of extensions': [hello({ extensions: undefined }), NO_NAME],
  'an empty session': [hello({ sessionId: none }), API],
  'any minor version of the record': [record(message(helloBody()), { version: Buffer.of(3, 9) }), API],
  'compression methods that nobody uses any more': [hello({ compression: Buffer.of(1, 0) }), API],
  'a pre-shared key in the last place': [
    hello({ extensions: Buffer.concat([serverName('api.test'), extension(41, none)]) }),
    API,
  ],
  'records of one byte up to the name': [
    refragment(
      hello(),
      Array.from({ length: 60 }, () => 1),
    ),
    API,
  ],
  'early data after it': [Buffer.concat([hello(), record(Buffer.alloc(9), { type: 23 })]), API],
  'a name behind 60 KiB of padding': [
    inRecords(
      message(helloBody({ extensions: Buffer.concat([padding(60_000), serverName('api.test')]) })),
      FULL_RECORDS,
    ),
    API,
  ],
}

for (const [what, [bytes, expected]] of Object.entries(wellFormed)) {
  test(`reads ${what}`, () => {
    assert.deepEqual(readClientHello(bytes), expected)
  })
}

test('nothing yet is incomplete', () => {
  assert.deepEqual(readClientHello(none), { kind: 'incomplete' })
})

test('the largest hello that is read has 64 KiB', () => {
  const fixed = message(helloBody({ extensions: none })).length
  const largest = message(helloBody({ extensions: padding(MAX_CLIENT_HELLO - fixed - 4) }))
  assert.equal(largest.length, MAX_CLIENT_HELLO)
  assert.deepEqual(readClientHello(inRecords(largest, FULL_RECORDS)), NO_NAME)
})

function inRecords(handshake: Buffer, sizes: readonly number[]): Buffer {
  let at = 0
  return Buffer.concat(sizes.map((size) => record(handshake.subarray(at, (at += size)))))
}
