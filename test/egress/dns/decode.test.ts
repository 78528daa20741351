import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeQuery } from '../../../src/egress/dns/decode.ts'
import { MAX_MESSAGE, type Query } from '../../../src/egress/dns/message.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'
import { encodeWithOracle, opt, rawOpt, rawQuery, readWithOracle, wireName } from './oracle.ts'

/**
 * A query is read when it is exactly one question and at most one OPT record. Anything else is malformed, with an
 * error to send back as soon as id and flags are there. A response is neither: it gets no answer.
 */

function decoded(bytes: Buffer): Query {
  const message = decodeQuery(bytes)
  assert.equal(message.kind, 'query')
  return message
}

test('a plain query', () => {
  const query = decoded(rawQuery({ id: 0xbeef }))
  assert.deepEqual(
    { ...query, question: undefined },
    {
      kind: 'query',
      id: 0xbeef,
      opcode: 0,
      recursionDesired: true,
      checkingDisabled: false,
      question: undefined,
      edns: undefined,
    },
  )
  assert.deepEqual(query.question.labels.map(String), ['api', 'example', 'com'])
  assert.equal(query.question.type, 1)
  assert.equal(query.question.class, 1)
  assert.deepEqual(query.question.wire, rawQuery().subarray(12))
})

test('EDNS: size, version and DO are read, options are skipped', () => {
  const cookie = Buffer.from('000a00080123456789abcdef', 'hex')
  const tail = rawOpt({ size: 4096, version: 1, data: cookie })
  tail.writeUInt16BE(0x8000, 7)
  const { edns } = decoded(rawQuery({ counts: [1, 0, 0, 1], tail }))
  assert.deepEqual(edns, { udpPayloadSize: 4096, version: 1, dnssecOk: true })
})

test('an EDNS size below 512 means 512 (RFC 6891 section 6.2.3)', () => {
  const { edns } = decoded(rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt({ size: 12 }) }))
  assert.equal(edns?.udpPayloadSize, 512)
})

test('AD and CD may be set in a query', () => {
  assert.equal(decoded(rawQuery({ flags: 0x0130 })).checkingDisabled, true)
})

test('a label with a dot in it stays one label: policy confusion starts where it becomes two', () => {
  const bytes = rawQuery({ name: wireName('api.example.com', 'evil', 'test') })
  assert.deepEqual(decoded(bytes).question.labels.map(String), ['api.example.com', 'evil', 'test'])
  // What a joining reader makes of it, so that the difference stays visible.
  assert.equal(readWithOracle(bytes).questions[0]?.name, 'api.example.com.evil.test')
})

test('the longest label and the longest name are read', () => {
  const longest = wireName('a'.repeat(63), 'b'.repeat(63), 'c'.repeat(63), 'd'.repeat(61))
  assert.equal(longest.length, 255)
  assert.equal(decoded(rawQuery({ name: longest })).question.labels.length, 4)
})

test('a response is told apart, whatever else it holds', () => {
  for (const flags of [0x8000, 0x8180, 0xffff]) assert.deepEqual(decodeQuery(rawQuery({ flags })), { kind: 'response' })
})

const HOSTILE: readonly (readonly [name: string, bytes: Buffer, reason: RegExp])[] = [
  ['half a header', rawQuery().subarray(0, 11), /shorter than a header/],
  ['only a header', rawQuery().subarray(0, 12), /cut short/],
  ['longer than any query', rawQuery({ tail: Buffer.alloc(MAX_MESSAGE) }), /longer than 4096/],
  ['AA set', rawQuery({ flags: 0x0500 }), /flags of a response/],
  ['TC set', rawQuery({ flags: 0x0300 }), /flags of a response/],
  ['RA set', rawQuery({ flags: 0x0180 }), /flags of a response/],
  ['Z set', rawQuery({ flags: 0x0140 }), /flags of a response/],
  ['a response code', rawQuery({ flags: 0x0103 }), /flags of a response/],
  ['no question', rawQuery({ counts: [0, 0, 0, 0] }), /exactly one question/],
  ['two questions', rawQuery({ counts: [2, 0, 0, 0], tail: rawQuery().subarray(12) }), /exactly one question/],
  ['65535 questions', rawQuery({ counts: [65535, 0, 0, 0] }), /exactly one question/],
  ['an answer', rawQuery({ counts: [1, 1, 0, 0] }), /answer or authority/],
  ['an authority', rawQuery({ counts: [1, 0, 1, 0] }), /answer or authority/],
  ['two additional', rawQuery({ counts: [1, 0, 0, 2], tail: Buffer.concat([rawOpt(), rawOpt()]) }), /more than one/],
  ['a byte behind the question', rawQuery({ tail: Buffer.from([0]) }), /bytes behind/],
  ['another message behind', rawQuery({ tail: rawQuery() }), /bytes behind/],
  ['a pointer to itself', rawQuery({ name: Buffer.from([0xc0, 0x0c]) }), /compression/],
  ['a pointer into the header', rawQuery({ name: Buffer.from([0xc0, 0x00]) }), /compression/],
  ['a pointer after a label', rawQuery({ name: Buffer.from([1, 0x61, 0xc0, 0x0c]) }), /compression/],
  ['a label of type 0x40', rawQuery({ name: Buffer.from([0x41, 0x61, 0]) }), /unknown label type/],
  ['a label of type 0x80', rawQuery({ name: Buffer.from([0x81, 0x61, 0]) }), /unknown label type/],
  ['a label of 64 bytes', rawQuery({ name: wireName('a'.repeat(64)) }), /unknown label type/],
  [
    'a name of 256 bytes',
    rawQuery({ name: wireName(...Array<string>(3).fill('a'.repeat(63)), 'b'.repeat(62)) }),
    /255/,
  ],
  ['a name that ends in a label', Buffer.concat([rawQuery().subarray(0, 12), Buffer.from([5, 0x61])]), /cut short/],
  ['a name without its root', Buffer.concat([rawQuery().subarray(0, 12), Buffer.from([1, 0x61])]), /cut short/],
  ['no class', rawQuery().subarray(0, -2), /cut short/],
  ['OPT as a question', rawQuery({ type: 41 }), /OPT as a question/],
  ['an OPT cut short', rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt().subarray(0, 10) }), /cut short/],
  ['an OPT announced only', rawQuery({ counts: [1, 0, 0, 1] }), /cut short/],
  ['an OPT not announced', rawQuery({ tail: rawOpt() }), /bytes behind/],
  ['an A record as additional', rawQuery({ counts: [1, 0, 0, 1], tail: Buffer.alloc(14) }), /not OPT/],
  [
    'an OPT with a name',
    rawQuery({ counts: [1, 0, 0, 1], tail: Buffer.concat([wireName('a'), rawOpt().subarray(1)]) }),
    /not OPT/,
  ],
  ['an OPT with a code', rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt({ rcode: 1 }) }), /response code/],
  ['bytes behind an OPT', rawQuery({ counts: [1, 0, 0, 1], tail: Buffer.concat([rawOpt(), rawOpt()]) }), /end with/],
  ['an option without length', rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt({ data: Buffer.alloc(3) }) }), /option/],
  [
    'an option longer than its record',
    rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt({ data: Buffer.from([0, 10, 0, 9, 1]) }) }),
    /option/,
  ],
]

for (const [name, bytes, reason] of HOSTILE) {
  test(`refused with FORMERR: ${name}`, () => {
    const message = decodeQuery(bytes)
    assert.equal(message.kind, 'malformed')
    assert.match(message.kind === 'malformed' ? message.reason : '', reason)
    assert.equal(message.kind === 'malformed' ? message.error?.rcode : undefined, 1)
    assert.equal(message.kind === 'malformed' ? message.error?.header.id : undefined, 0x1234)
  })
}

test('other opcodes get NOTIMP: IQUERY, STATUS, NOTIFY, UPDATE, DSO', () => {
  for (const opcode of [1, 2, 4, 5, 6, 15]) {
    const message = decodeQuery(rawQuery({ flags: opcode << 11 }))
    assert.equal(message.kind, 'malformed')
    assert.deepEqual(message.kind === 'malformed' ? message.error : undefined, {
      header: { id: 0x1234, opcode, recursionDesired: false, checkingDisabled: false },
      rcode: 4,
    })
  }
})

test('what has no id and flags gets nothing back', () => {
  for (const length of [0, 1, 2, 3]) {
    const message = decodeQuery(rawQuery().subarray(0, length))
    assert.equal(message.kind, 'malformed')
    assert.equal('error' in message, false)
  }
})

test('every query that a library writes is read as it was meant', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,20}[a-zA-Z0-9_])?$/)
  const anyType = fc.constantFrom(...TYPES.keys())
  const anySize = fc.option(fc.integer({ min: 512, max: 65535 }))
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 1, maxLength: 8 }),
      anyType,
      fc.nat(65535),
      anySize,
      (labels, type, id, size) => {
        const bytes = encodeWithOracle({
          id,
          type: 'query',
          flags: 0x0100,
          questions: [{ name: labels.join('.'), type }],
          additionals: size === null ? [] : [opt(size, 0x8000)],
        })
        const query = decoded(bytes)
        assert.deepEqual(query.question.labels.map(String), labels)
        assert.equal(query.question.type, TYPES.get(type))
        assert.equal(query.id, id)
        assert.deepEqual(query.edns, size === null ? undefined : { udpPayloadSize: size, version: 0, dnssecOk: true })
      },
    ),
  )
})

const TYPES: ReadonlyMap<string, number> = new Map([
  ['A', 1],
  ['NS', 2],
  ['TXT', 16],
  ['AAAA', 28],
  ['SRV', 33],
  ['UNKNOWN_65', 65],
  ['CAA', 257],
])

test('any labels survive, byte for byte', () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.array(label, { maxLength: 3 }), fc.nat(65535), fc.nat(65535), (labels, type, cls) => {
      fc.pre(type !== 41)
      const name = wireName(...labels)
      const { question } = decoded(rawQuery({ name, type, class: cls }))
      assert.deepEqual(question.labels, labels)
      assert.deepEqual(question.wire.subarray(0, -4), name)
      assert.deepEqual([question.type, question.class], [type, cls])
    }),
  )
})

test('fuzz: never throws, and what is read as a query has no byte that was not read', async (t) => {
  const corpus = [rawQuery(), rawQuery({ counts: [1, 0, 0, 1], tail: rawOpt() }), ...HOSTILE.map(([, bytes]) => bytes)]
  await fuzz(t, { runs: 20_000 }, (random) => {
    const bytes = mutate(random, random.pick(corpus), { corpus })
    const message = decodeQuery(bytes)
    if (message.kind !== 'query') return
    const { labels, wire } = message.question
    const length = labels.reduce((sum, label) => sum + 1 + label.length, 1)
    assert.ok(length <= 255)
    assert.ok(labels.every((label) => label.length >= 1 && label.length <= 63))
    assert.equal(wire.length, length + 4)
    const rest = bytes.subarray(12 + wire.length)
    assert.equal(rest.length === 0, message.edns === undefined)
    if (rest.length > 0) assert.equal(rest.length, 11 + rest.readUInt16BE(9))
  })
})
