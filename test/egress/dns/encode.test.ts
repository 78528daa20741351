import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeQuery } from '../../../src/egress/dns/decode.ts'
import { MAX_UDP_RESPONSE, encodeError, encodeResponse, udpLimit } from '../../../src/egress/dns/encode.ts'
import { RCODE, type AddressRecord, type Query } from '../../../src/egress/dns/message.ts'
import { encodeWithOracle, opt, rawOpt, rawQuery, readWithOracle, wireName } from './oracle.ts'

/** Responses read back by another implementation: same id, same question byte for byte, never longer than allowed. */

function query(parts: Parameters<typeof rawQuery>[0] = {}): Query {
  const message = decodeQuery(rawQuery(parts))
  assert.equal(message.kind, 'query')
  return message
}

const withEdns = (size: number, version = 0): Query => query({ counts: [1, 0, 0, 1], tail: rawOpt({ size, version }) })

test('an A record', () => {
  const response = { rcode: RCODE.NOERROR, answers: [record('A', '198.51.100.1')], soa: false }
  const bytes = encodeResponse(query(), response, 512)
  const read = readWithOracle(bytes)
  assert.equal(read.id, 0x1234)
  assert.equal(read.type, 'response')
  assert.equal(bytes.readUInt16BE(2), 0x8180)
  assert.deepEqual(read.answers, [
    { name: 'api.example.com', type: 'A', ttl: 30, class: 'IN', flush: false, data: '198.51.100.1' },
  ])
  assert.deepEqual(read.additionals, [])
})

test('AAAA records in every way of writing them', () => {
  for (const [address, data] of [
    ['::1', '::1'],
    ['::', '::'],
    ['fd00::11', 'fd00::11'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6'],
    ['FD00:0:0:0:0:0:0:0011', 'fd00::11'],
    ['1::', '1::'],
    ['::ffff:10.1.2.3', '::ffff:a01:203'],
  ] as const) {
    const response = { rcode: RCODE.NOERROR, answers: [record('AAAA', address)], soa: false }
    const bytes = encodeResponse(query({ type: 28 }), response, 512)
    const read = bytes.subarray(-16).toString('hex').match(/.{4}/g)?.join(':')
    assert.equal(normal(read ?? ''), normal(data))
    assert.equal(readWithOracle(bytes).answers.length, 1)
  }
})

test('an address of the wrong family or with a zone is a defect of the caller', () => {
  const encode = (answer: AddressRecord): Buffer =>
    encodeResponse(query(), { rcode: RCODE.NOERROR, answers: [answer], soa: false }, 512)
  assert.throws(() => encode(record('A', '::1')), TypeError)
  assert.throws(() => encode(record('AAAA', '10.0.0.1')), TypeError)
  assert.throws(() => encode(record('AAAA', 'fe80::1%eth0')), TypeError)
})

test('"no" comes with an SOA whose owner is the root and whose times are short', () => {
  const read = readWithOracle(encodeResponse(query(), { rcode: RCODE.NXDOMAIN, answers: [], soa: true }, 512))
  assert.equal(read.rcode, 'NXDOMAIN')
  assert.deepEqual(read.answers, [])
  assert.deepEqual(read.authorities, [
    {
      name: '.',
      type: 'SOA',
      ttl: 10,
      class: 'IN',
      flush: false,
      data: {
        mname: 'agentcage.invalid',
        rname: '.',
        serial: 1,
        refresh: 3600,
        retry: 600,
        expire: 86400,
        minimum: 10,
      },
    },
  ])
})

test('the case of the question is kept (0x20), RD and CD are repeated, AD is not', () => {
  const asked = query({ flags: 0x0130, name: wireName('aPI', 'ExAmPlE', 'cOm') })
  const bytes = encodeResponse(asked, { rcode: RCODE.NOERROR, answers: [], soa: false }, 512)
  assert.deepEqual(bytes.subarray(12), asked.question.wire)
  assert.equal(bytes.readUInt16BE(2), 0x8190)
  const quiet = encodeResponse(query({ flags: 0 }), { rcode: RCODE.NOERROR, answers: [], soa: false }, 512)
  assert.equal(quiet.readUInt16BE(2), 0x8080)
})

test('OPT is answered with OPT: our size, version 0, DO as it was asked; without it none', () => {
  const asked = decodeQuery(
    encodeWithOracle({
      id: 1,
      type: 'query',
      questions: [{ name: 'a.test', type: 'A' }],
      additionals: [opt(4096, 0x8000)],
    }),
  ) as Query
  const read = readWithOracle(encodeResponse(asked, { rcode: RCODE.NOERROR, answers: [], soa: false }, 512))
  const [answeredOpt] = read.additionals
  assert.equal(answeredOpt?.udpPayloadSize, MAX_UDP_RESPONSE)
  assert.equal(answeredOpt.flags, 0x8000)
  assert.equal(answeredOpt.ednsVersion, 0)
})

test('BADVERS travels in two halves', () => {
  const bytes = encodeResponse(withEdns(1232, 1), { rcode: RCODE.BADVERS, answers: [], soa: false }, 512)
  assert.equal(bytes.readUInt16BE(2) & 0xf, 0)
  assert.equal(readWithOracle(bytes).additionals[0]?.extendedRcode, 1)
})

test('the UDP bound: 512 without EDNS, what EDNS says, never more than 1232', () => {
  assert.equal(udpLimit(query()), 512)
  assert.equal(udpLimit(withEdns(0)), 512)
  assert.equal(udpLimit(withEdns(1000)), 1000)
  assert.equal(udpLimit(withEdns(65535)), 1232)
})

test('what does not fit goes without records and with TC; over TCP it goes whole', () => {
  const answers = Array.from({ length: 100 }, (_, index) => record('A', `10.0.0.${index}`))
  const response = { rcode: RCODE.NOERROR, answers, soa: true }
  for (const asked of [query(), withEdns(4096)]) {
    const short = readWithOracle(encodeResponse(asked, response, udpLimit(asked)))
    assert.equal(short.flag_tc, true)
    assert.deepEqual([short.answers.length, short.authorities.length], [0, 0])
    assert.equal(short.additionals.length, asked.edns === undefined ? 0 : 1)
    const whole = readWithOracle(encodeResponse(asked, response, 0xffff))
    assert.equal(whole.flag_tc, false)
    assert.deepEqual([whole.answers.length, whole.authorities.length], [100, 1])
  }
})

test('an error without a question is a header', () => {
  const header = { id: 0xabcd, opcode: 5, recursionDesired: true, checkingDisabled: false }
  assert.equal(encodeError(header, RCODE.NOTIMP).toString('hex'), 'abcda9840000000000000000')
})

test('any name and any number of answers: well-formed, within the bound, the question as it came', () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes))
  const address = fc.oneof(
    fc.ipV4().map((text) => record('A', text)),
    fc.ipV6().map((text) => record('AAAA', text)),
  )
  fc.assert(
    fc.property(
      fc.array(label, { maxLength: 3 }),
      fc.array(address, { maxLength: 80 }),
      fc.boolean(),
      fc.option(fc.nat(65535)),
      (labels, answers, soa, size) => {
        const edns = size === null ? {} : { counts: [1, 0, 0, 1] as const, tail: rawOpt({ size }) }
        const asked = query({ name: wireName(...labels), ...edns })
        const bytes = encodeResponse(asked, { rcode: RCODE.NOERROR, answers, soa }, udpLimit(asked))
        assert.ok(bytes.length <= udpLimit(asked))
        assert.deepEqual(bytes.subarray(12, 12 + asked.question.wire.length), asked.question.wire)
        const read = readWithOracle(bytes)
        assert.equal(read.flag_tc ? 0 : answers.length, read.answers.length)
      },
    ),
  )
})

function record(type: 'A' | 'AAAA', address: string): AddressRecord {
  return { type, address, ttl: 30 }
}

function normal(address: string): string {
  return new URL(`http://[${address}]/`).hostname
}
