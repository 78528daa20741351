/**
 * A catalogue of what is not a ClientHello, or not exactly one: each is invalid, for the reason given, without an
 * exception. Most of it a lenient server would accept, and then take a name from that is not the one we judged.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_CLIENT_HELLO, readClientHello } from '../../../src/egress/tls/client-hello.ts'
import {
  alpn,
  extension,
  hello,
  helloBody,
  hostName,
  message,
  record,
  refragment,
  serverName,
  vector,
} from './hello-builder.ts'

const none = Buffer.alloc(0)

const NOT_HOST_NAMES: readonly string[] = [
  // Truncated at NUL by whoever reads C strings.
  'api.test\0',
  '\0',
  'api.test\0.evil.test',
  // Two lines in a log.
  'api.test\n',
  'api test',
  ' api.test',
  'api.test/',
  'api.test:443',
  'user@api.test',
  '%61pi.test',
  '*.test',
  '.',
  '..',
  '.test',
  'a..test',
  'api.test..',
  '-a.test',
  `${'a'.repeat(64)}.test`,
  // Addresses, in the forms that name resolvers take for one.
  '127.0.0.1',
  '0x7f.1',
  '2130706433',
  '::1',
  '[::1]',
  // Not ASCII; the second begins with KELVIN SIGN, which lower-cases to k.
  'bücher.test',
  '\u212a.test',
]

/** Name, bytes, and what the reason must say. */
const malformed: readonly (readonly [what: string, bytes: Buffer, reason: RegExp])[] = [
  // Records
  ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n'), /not a TLS handshake/],
  ['one wrong byte', Buffer.of(0x47), /not a TLS handshake/],
  ['an SSLv2 hello', Buffer.of(0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10), /not a TLS handshake/],
  ['an alert', record(Buffer.of(2, 40), { type: 21 }), /not a TLS handshake/],
  ['application data', record(Buffer.alloc(5), { type: 23 }), /not a TLS handshake/],
  ['major version 2', record(message(helloBody()), { version: Buffer.of(2, 0) }), /not a TLS version/],
  ['major version 4', record(message(helloBody()), { version: Buffer.of(4, 0) }), /not a TLS version/],
  ['an empty record', record(none), /record is empty/],
  [
    'an empty record in the middle',
    Buffer.concat([record(message(helloBody()).subarray(0, 9)), record(none)]),
    /record is empty/,
  ],
  ['a record longer than 2^14', record(none, { length: 16_385 }), /record is too long/],
  [
    'another record type in the middle',
    Buffer.concat([record(message(helloBody()).subarray(0, 9)), record(Buffer.of(1, 0), { type: 21 })]),
    /not a TLS handshake/,
  ],
  [
    'two messages in one record',
    record(Buffer.concat([message(helloBody()), message(helloBody())])),
    /goes on after the hello/,
  ],
  ['a byte after the message', record(Buffer.concat([message(helloBody()), Buffer.of(0)])), /goes on after the hello/],
  [
    'a record that promises more than the message',
    record(message(helloBody()), { length: 16_000 }),
    /goes on after the hello/,
  ],
  [
    '65 records',
    refragment(
      hello(),
      Array.from({ length: 65 }, () => 1),
    ),
    /more than 64 records/,
  ],
  // Messages
  ['a ServerHello', record(message(helloBody(), { type: 2 })), /not a ClientHello/],
  ['a ServerHello of one byte', record(Buffer.of(2)), /not a ClientHello/],
  ['a message over 64 KiB', record(message(helloBody(), { length: MAX_CLIENT_HELLO - 3 })), /hello is too long/],
  ['a message of 16 MiB', record(message(helloBody(), { length: 0xffffff })), /hello is too long/],
  ['an empty message', record(message(none)), /version is cut off/],
  // The fixed part
  ['version 2.0', hello({ version: Buffer.of(2, 0) }), /not a TLS version/],
  ['half a random', record(message(helloBody().subarray(0, 20))), /random is cut off/],
  ['a session of 33 bytes', hello({ sessionId: Buffer.alloc(33) }), /session_id has 33 bytes/],
  ['no cipher suites', hello({ suites: none }), /cipher_suites has 0 bytes/],
  ['half a cipher suite', hello({ suites: Buffer.alloc(3) }), /half a suite/],
  ['no compression methods', hello({ compression: none }), /compression_methods has 0 bytes/],
  ['compression methods without null', hello({ compression: Buffer.of(1) }), /lacks null/],
  ['cipher suites past the end', record(message(helloBody().subarray(0, 68))), /cipher_suites is cut off/],
  // Extensions
  [
    'one byte of a length of extensions',
    hello({ extensions: undefined, trailing: Buffer.of(0) }),
    /length of extensions is cut off/,
  ],
  ['extensions past the end', hello({ extensions: undefined, trailing: Buffer.of(0, 9) }), /extensions is cut off/],
  ['bytes after the extensions', hello({ trailing: Buffer.of(0) }), /1 bytes too many/],
  ['half an extension', hello({ extensions: Buffer.of(0, 0, 0) }), /length of extension 0 is cut off/],
  ['an extension past the end', hello({ extensions: Buffer.of(0, 5, 0, 9, 1) }), /extension 5 is cut off/],
  [
    'two server_name extensions',
    hello({ extensions: Buffer.concat([serverName('api.test'), serverName('evil.test')]) }),
    /stands there twice/,
  ],
  [
    'two equal server_name extensions',
    hello({ extensions: Buffer.concat([serverName('api.test'), serverName('api.test')]) }),
    /stands there twice/,
  ],
  [
    'two unknown extensions of one type',
    hello({ extensions: Buffer.concat([extension(999, none), extension(999, none)]) }),
    /stands there twice/,
  ],
  [
    'an extension after the pre-shared key',
    hello({ extensions: Buffer.concat([extension(41, none), serverName('api.test')]) }),
    /not the last/,
  ],
  // Server names
  ['an empty server_name', hello({ extensions: extension(0, none) }), /length of server_name list is cut off/],
  ['an empty list', hello({ extensions: extension(0, vector(2, none)) }), /list has 0 bytes/],
  ['a list past the end', hello({ extensions: extension(0, Buffer.of(0, 9, 0)) }), /list is cut off/],
  [
    'a list that ends before its extension',
    hello({ extensions: extension(0, Buffer.concat([vector(2, hostName('api.test')), Buffer.of(0)])) }),
    /too many/,
  ],
  ['two names', names(hostName('api.test'), hostName('evil.test')), /host_name is followed by/],
  ['a second name of another type', names(hostName('api.test'), Buffer.of(1, 0, 1, 0x61)), /host_name is followed by/],
  ['a first name of another type', names(Buffer.of(1, 0, 1, 0x61), hostName('api.test')), /not a host name/],
  ['an empty name', names(hostName('')), /host_name has 0 bytes/],
  ['a name of 256 bytes', names(hostName('a'.repeat(256))), /host_name has 256 bytes/],
  ['a name past the end', names(Buffer.of(0, 0, 9, 0x61)), /host_name is cut off/],
  ...NOT_HOST_NAMES.map(
    (name) => [`the name ${JSON.stringify(name)}`, names(hostName(name)), /not a host name/] as const,
  ),
  ['a name that is not UTF-8', names(hostName(Buffer.of(0x61, 0xff, 0x2e, 0x74))), /not a host name/],
  // Protocols
  ['an empty ALPN', hello({ extensions: extension(16, none) }), /length of protocol_name_list is cut off/],
  [
    'an empty list of protocols',
    hello({ extensions: extension(16, vector(2, none)) }),
    /protocol_name_list has 0 bytes/,
  ],
  ['an empty protocol', hello({ extensions: alpn('h2', '') }), /protocol name has 0 bytes/],
  [
    'a protocol past the end',
    hello({ extensions: extension(16, vector(2, Buffer.of(3, 0x68, 0x32))) }),
    /protocol name is cut off/,
  ],
  ['bytes after the list of protocols', hello({ extensions: extension(16, Buffer.of(0, 2, 1, 0x61, 0)) }), /too many/],
]

for (const [what, bytes, reason] of malformed) {
  test(`refuses ${what}`, () => {
    const result = readClientHello(bytes)
    assert.equal(result.kind, 'invalid')
    assert.match(result.reason, reason)
  })
}

function names(...entries: readonly Buffer[]): Buffer {
  return hello({ extensions: extension(0, vector(2, Buffer.concat(entries))) })
}
