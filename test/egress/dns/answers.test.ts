import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SINKHOLE, answer, hostOf, type Answer, type NameRuling, type Zone } from '../../../src/egress/dns/answers.ts'
import { decodeQuery } from '../../../src/egress/dns/decode.ts'
import { RCODE, type Query } from '../../../src/egress/dns/message.ts'
import { isWithin, parseHostname, type Hostname } from '../../../src/policy/host.ts'
import { rawOpt, rawQuery, wireName } from './oracle.ts'

/**
 * The egress answers for everything from the root down: names that the policy knows lead to it, all others to
 * TEST-NET-2; only addresses are ever told; what cannot be a destination does not exist.
 */

const ALLOWED: NameRuling = { decision: 'allowed', reason: '' }
const UNKNOWN: NameRuling = { decision: 'blocked', reason: 'not reachable by policy' }
const LISTED = host('example.com')
const ZONE: Zone = {
  decide: (name) => (isWithin(name, LISTED) ? ALLOWED : UNKNOWN),
  egressAddress: { ipv4: '10.89.0.11', ipv6: 'fd00::11' },
}

function host(text: string): Hostname {
  const parsed = parseHostname(text)
  assert.ok(parsed !== undefined)
  return parsed
}

function query(name: string | Buffer, type: number, more: Parameters<typeof rawQuery>[0] = {}): Query {
  const wire = typeof name === 'string' ? wireName(...name.split('.').filter((label) => label !== '')) : name
  const message = decodeQuery(rawQuery({ name: wire, type, ...more }))
  assert.equal(message.kind, 'query')
  return message
}

function ask(name: string | Buffer, type: number, zone = ZONE): Answer {
  return answer(query(name, type), zone)
}

const A = 1
const AAAA = 28

test('A of a listed name and of those below it leads to the egress', () => {
  for (const name of ['example.com', 'api.example.com', 'API.Example.COM', 'a.b.c.example.com', '_acme.example.com']) {
    const answered = ask(name, A)
    assert.deepEqual(answered.answers, [{ type: 'A', address: '10.89.0.11', ttl: 30 }])
    assert.equal(answered.rcode, RCODE.NOERROR)
    assert.equal(answered.decision, 'allowed')
  }
})

test('A of any other name leads to the sinkhole', () => {
  for (const name of ['evil.test', 'notexample.com', 'example.com.evil.test', 'xn--bcher-kva.test']) {
    const answered = ask(name, A)
    assert.deepEqual(answered.answers, [{ type: 'A', address: SINKHOLE, ttl: 30 }])
    assert.equal(answered.decision, 'blocked')
    assert.equal(answered.reason, 'not reachable by policy')
  }
})

test('AAAA leads to the egress where it has such an address, and is empty elsewhere', () => {
  assert.deepEqual(ask('example.com', AAAA).answers, [{ type: 'AAAA', address: 'fd00::11', ttl: 30 }])
  assertNoData(ask('example.com', AAAA, { ...ZONE, egressAddress: { ipv4: '10.89.0.11' } }))
  assertNoData(ask('evil.test', AAAA))
})

test('other types hold nothing, listed or not: no ECH, no HTTP/3 hint, no TXT to carry data in', () => {
  for (const type of [0, 2, 5, 6, 12, 15, 16, 33, 35, 43, 46, 48, 64, 65, 257, 32768, 65535]) {
    assertNoData(ask('example.com', type))
    assertNoData(ask('evil.test', type))
  }
  assert.equal(ask('example.com', 65).reason, 'no HTTPS data')
})

test('ANY gets the A record alone (RFC 8482)', () => {
  assert.deepEqual(ask('example.com', 255).answers, [{ type: 'A', address: '10.89.0.11', ttl: 30 }])
  assert.deepEqual(ask('evil.test', 255).answers, [{ type: 'A', address: SINKHOLE, ttl: 30 }])
})

test('localhost and below stay at home, although the policy would say otherwise', () => {
  for (const name of ['localhost', 'LOCALHOST', 'foo.localhost']) {
    assert.deepEqual(ask(name, A).answers, [{ type: 'A', address: '127.0.0.1', ttl: 30 }])
    assert.deepEqual(ask(name, AAAA).answers, [{ type: 'AAAA', address: '::1', ttl: 30 }])
    assertNoData(ask(name, 16))
  }
  assert.deepEqual(ask('localhost.evil.test', A).answers[0]?.address, SINKHOLE)
})

const ABSENT: readonly (readonly [why: string, name: string | Buffer])[] = [
  ['reverse look-up', '4.3.2.1.in-addr.arpa'],
  ['reverse look-up, IPv6', '8.b.d.0.1.0.0.2.ip6.arpa'],
  ['offer of an encrypted resolver', '_dns.resolver.arpa'],
  ['NAT64 discovery', 'ipv4only.arpa'],
  ['canary of DNS over HTTPS', 'use-application-dns.net'],
  ['below the canary', 'x.use-application-dns.net'],
  ['onion', 'abc.onion'],
  ['invalid', 'x.invalid'],
  ['single label', 'printer'],
  ['an IPv4 address', '10.0.0.1'],
  ['an address in disguise', '0x7f.1'],
  ['a number as last label', 'example.127'],
  ['a leading hyphen', '-a.example.com'],
  ['a trailing hyphen', 'a-.example.com'],
  ['one label with dots that reads as a listed name', wireName('api.example.com')],
  ['a label with a dot below a listed name', wireName('evil.test', 'example', 'com')],
  ['a label with a dot above', wireName('api', 'example.com')],
  ['a NUL', wireName('api\0', 'example', 'com')],
  ['a space', wireName('a b', 'example', 'com')],
  ['a slash', wireName('a/b', 'example', 'com')],
  ['a colon', wireName('::1', 'example', 'com')],
  ['an IPv6 address', wireName('::1')],
  ['an IPv6 address in brackets', wireName('[::1]')],
  ['an escape sequence', wireName('\x1b[2J', 'example', 'com')],
  ['a wildcard', wireName('*', 'example', 'com')],
  ['UTF-8', wireName(Buffer.from('bücher'), 'example', 'com')],
  ['U+212A, which lower-cases to k', wireName(Buffer.from('\u212a'), 'example', 'com')],
  ['Latin-1', wireName('\xe9', 'example', 'com')],
]

for (const [why, name] of ABSENT) {
  test(`no such name, whatever the policy says: ${why}`, () => {
    for (const type of [A, AAAA, 12, 16, 65, 255]) {
      const answered = ask(name, type, { ...ZONE, decide: () => ({ decision: 'allowed', reason: '' }) })
      assert.equal(answered.rcode, RCODE.NXDOMAIN)
      assert.deepEqual(answered.answers, [])
      assert.equal(answered.soa, true)
      assert.equal(answered.decision, 'blocked')
    }
  })
}

test('the root is empty', () => assertNoData(ask('', 2)))

test('classes other than IN are refused: version.bind in CHAOS among them', () => {
  for (const cls of [0, 3, 4, 254, 255]) {
    const answered = answer(query('version.bind', 16, { class: cls }), ZONE)
    assert.equal(answered.rcode, RCODE.REFUSED)
    assert.deepEqual(answered.answers, [])
  }
})

test('types that ask for an operation are refused: AXFR, IXFR, TKEY, TSIG', () => {
  for (const type of [128, 249, 250, 251, 252, 253, 254]) assert.equal(ask('example.com', type).rcode, RCODE.REFUSED)
})

test('an EDNS version that we do not speak gets BADVERS (RFC 6891 section 6.1.3)', () => {
  const asked = query('example.com', A, { counts: [1, 0, 0, 1], tail: rawOpt({ version: 1 }) })
  assert.equal(answer(asked, ZONE).rcode, RCODE.BADVERS)
})

test('the policy is asked about exactly the labels that were sent, or not at all', () => {
  const label = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('a', 'example', 'com', 'example.com', 'A-b', '_x', '1').map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
      const asked: Hostname[] = []
      const decide = (name: Hostname): NameRuling => {
        asked.push(name)
        return ALLOWED
      }
      ask(wireName(...labels), A, { ...ZONE, decide })
      if (asked.length === 0) return
      assert.equal(asked.length, 1)
      assert.deepEqual(
        asked[0]?.split('.'),
        labels.map((bytes) => bytes.toString('latin1').toLowerCase()),
      )
    }),
    { numRuns: 1000 },
  )
})

test('labels become a host only one by one', () => {
  assert.equal(hostOf([Buffer.from('api'), Buffer.from('Example'), Buffer.from('com')]), 'api.example.com')
  assert.equal(hostOf([Buffer.from('api.example.com')]), undefined)
  assert.equal(hostOf([]), undefined)
})

function assertNoData(answered: Answer): void {
  assert.equal(answered.rcode, RCODE.NOERROR)
  assert.deepEqual(answered.answers, [])
  assert.equal(answered.soa, true)
}
