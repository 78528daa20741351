import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SocksHandshake, encodeSocksReply, type SocksReply, type SocksStep } from '../../../src/egress/listen/socks.ts'
import { formatAuthority, parseHostname } from '../../../src/policy/host.ts'
import { fuzz, mutate, type Random } from '../../support/fuzz.ts'

/**
 * The server's side of SOCKS5: no authentication, CONNECT to one normalised host and port, everything else refused
 * with the reply that RFC 1928 has for it. How the bytes are cut makes no difference.
 */

const GREETING = hex('05 01 00')
const CHOICE = hex('05 00')

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

function request(type: number, address: Buffer, port: number): Buffer {
  return Buffer.concat([Buffer.from([5, 1, 0, type]), address, Buffer.from([port >> 8, port & 0xff])])
}

function domain(name: string | Buffer, port = 443): Buffer {
  const bytes = Buffer.from(name)
  return request(3, Buffer.concat([Buffer.from([bytes.length]), bytes]), port)
}

/** All replies in one, and the last step. Stops where the handshake ends; what is left then counts as the rest. */
function handshake(chunks: readonly Buffer[]): {
  readonly replies: Buffer
  readonly end: SocksStep
  readonly rest: Buffer
} {
  const parser = new SocksHandshake()
  const replies: Buffer[] = []
  let end: SocksStep = { kind: 'more', reply: Buffer.alloc(0) }
  let index = 0
  while (index < chunks.length && end.kind === 'more') {
    end = parser.push(chunks[index++] ?? Buffer.alloc(0))
    replies.push(end.reply)
  }
  const rest = end.kind === 'connect' ? Buffer.concat([end.rest, ...chunks.slice(index)]) : Buffer.alloc(0)
  return { replies: Buffer.concat(replies), end, rest }
}

/** Where the handshake leads, as text: `connect host:port` or `reject reason`. */
function outcome(chunks: readonly Buffer[]): string {
  const { end } = handshake(chunks)
  if (end.kind === 'connect') return `connect ${formatAuthority(end.authority)}`
  return end.kind === 'reject' ? `reject ${end.reason}` : 'more'
}

test('greeting, request, tunnel: each step answers what the client waits for', () => {
  const parser = new SocksHandshake()
  assert.deepEqual(parser.push(GREETING), { kind: 'more', reply: CHOICE })
  const step = parser.push(domain('API.Example.com'))
  assert.equal(step.kind, 'connect')
  assert.deepEqual(step, {
    kind: 'connect',
    reply: Buffer.alloc(0),
    authority: { host: 'api.example.com', port: 443 },
    rest: Buffer.alloc(0),
  })
})

test('everything in one piece, with the first bytes of the tunnel behind', () => {
  const { replies, end, rest } = handshake([Buffer.concat([GREETING, domain('a.test', 80), Buffer.from('GET /')])])
  assert.deepEqual(replies, CHOICE)
  assert.equal(end.kind, 'connect')
  assert.equal(rest.toString(), 'GET /')
})

const ACCEPTED: readonly (readonly [name: string, request: Buffer, authority: string])[] = [
  ['IPv4', request(1, hex('0a000001'), 80), '10.0.0.1:80'],
  ['IPv6', request(4, hex('20010db8000000000000000000000001'), 443), '[2001:db8::1]:443'],
  ['IPv6 loopback', request(4, hex('00000000000000000000000000000001'), 65535), '[::1]:65535'],
  ['IPv4-mapped IPv6', request(4, hex('00000000000000000000ffff7f000001'), 1), '[::ffff:7f00:1]:1'],
  ['a final dot', domain('a.test.'), 'a.test:443'],
  ['an underscore', domain('_x.a.test'), '_x.a.test:443'],
  ['an address as a name', domain('10.0.0.1'), '10.0.0.1:443'],
  ['an IPv6 address as a name', domain('0:0::1'), '[::1]:443'],
  ['a single label', domain('localhost'), 'localhost:443'],
  ['the longest name', domain(`${`${'a'.repeat(62)}.`.repeat(4)}b`), `${`${'a'.repeat(62)}.`.repeat(4)}b:443`],
]

for (const [name, bytes, authority] of ACCEPTED) {
  test(`connects to: ${name}`, () => assert.equal(outcome([GREETING, bytes]), `connect ${authority}`))
}

test('no authentication is chosen whatever else is offered', () => {
  for (const greeting of ['05 02 02 00', '05 02 00 02', '05 05 80 01 02 03 00', `05 ff ${'00'.repeat(255)}`]) {
    assert.deepEqual(new SocksHandshake().push(hex(greeting)), { kind: 'more', reply: CHOICE })
  }
})

const GREETINGS_REFUSED: readonly (readonly [name: string, bytes: Buffer, reply: string, reason: RegExp])[] = [
  ['passwords only', hex('05 01 02'), '05ff', /without authentication/],
  ['GSSAPI only', hex('05 01 01'), '05ff', /without authentication/],
  ['no method at all', hex('05 00'), '05ff', /without authentication/],
  ['SOCKS4', hex('04 01 01bb 0a000001 00'), '005b000000000000', /SOCKS4 .*socks5h/],
  ['SOCKS4a', hex('04 01 01bb 00000001 00 612e7465737400'), '005b000000000000', /SOCKS4/],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '', /version 71/],
  ['TLS', hex('16 03 01 02 00'), '', /version 22/],
  ['SOCKS6', hex('06 01 00'), '', /version 6/],
  ['zeros', Buffer.alloc(100), '', /version 0/],
]

for (const [name, bytes, reply, reason] of GREETINGS_REFUSED) {
  test(`greeting refused: ${name}`, () => {
    const { replies, end } = handshake([bytes])
    assert.match(end.kind === 'reject' ? end.reason : '', reason)
    assert.equal(replies.toString('hex'), reply)
  })
}

const REQUESTS_REFUSED: readonly (readonly [name: string, bytes: Buffer, code: number, reason: RegExp])[] = [
  ['another version', hex('04 01 00 01 0a000001 01bb'), 1, /version 4 in a request/],
  ['BIND', hex('05 02 00 01 0a000001 01bb'), 7, /SOCKS: BIND is not supported/],
  ['UDP ASSOCIATE', hex('05 03 00 01 00000000 0000'), 7, /SOCKS: UDP ASSOCIATE is not supported/],
  ['RESOLVE, as Tor has it', hex('05 f0 00 03 01 61 0000'), 7, /SOCKS: command 240 is not supported/],
  ['a reserved byte', hex('05 01 01 01 0a000001 01bb'), 1, /reserved/],
  ['address type 0', hex('05 01 00 00'), 8, /address type 0/],
  ['address type 2', hex('05 01 00 02'), 8, /address type 2/],
  ['port 0', domain('a.test', 0), 1, /port 0/],
  ['an empty name', domain(''), 8, /empty/],
  ['a lone dot', domain('.'), 8, /not a host name/],
  ['an empty label', domain('a..test'), 8, /not a host name/],
  ['a port in the name', domain('a.test:443'), 8, /not a host name/],
  ['user information', domain('a.test@evil.test'), 8, /not a host name/],
  ['a NUL', domain('a.test\0.evil.test'), 8, /not a host name/],
  ['a line end', domain('a.test\r\nHost: evil.test'), 8, /not a host name/],
  ['a slash', domain('a.test/'), 8, /not a host name/],
  ['a space', domain('a.test '), 8, /not a host name/],
  ['a wildcard', domain('*'), 8, /not a host name/],
  ['UTF-8', domain('bücher.test'), 8, /not a host name/],
  ['U+212A, which lower-cases to k', domain('\u212a.test'), 8, /not a host name/],
  ['an address in octal', domain('0177.0.0.1'), 8, /not a host name/],
  ['an address in hexadecimal', domain('0x7f000001'), 8, /not a host name/],
  ['an address as one number', domain('2130706433'), 8, /not a host name/],
  ['an IPv6 zone', domain('fe80::1%lo'), 8, /not a host name/],
  ['a label of 64 bytes', domain('a'.repeat(64)), 8, /not a host name/],
  ['255 bytes that are no name', domain(Buffer.alloc(255, 0xff)), 8, /not a host name/],
]

for (const [name, bytes, code, reason] of REQUESTS_REFUSED) {
  test(`request refused: ${name}`, () => {
    const { replies, end } = handshake([GREETING, bytes])
    assert.match(end.kind === 'reject' ? end.reason : '', reason)
    assert.equal(replies.toString('hex'), `0500${Buffer.from([5, code]).toString('hex')}0001000000000000`)
  })
}

test('a reason never repeats what the client sent', () => {
  const end = outcome([GREETING, domain('secret-value:1')])
  assert.doesNotMatch(end, /secret/)
})

test('replies have the codes of RFC 1928 and no address of ours', () => {
  const codes: Record<SocksReply, number> = {
    succeeded: 0,
    failed: 1,
    'not allowed': 2,
    'network unreachable': 3,
    'host unreachable': 4,
    refused: 5,
    'command not supported': 7,
    'address type not supported': 8,
  }
  for (const [reply, code] of Object.entries(codes)) {
    assert.deepEqual(encodeSocksReply(reply as SocksReply), Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]))
  }
})

test('pushing on after the end is a defect of the caller', () => {
  const parser = new SocksHandshake()
  parser.push(hex('04'))
  assert.throws(() => parser.push(hex('00')))
})

test('cut anywhere, the handshake means the same', async (t) => {
  const corpus = [...ACCEPTED, ...REQUESTS_REFUSED].map(([, bytes]) =>
    Buffer.concat([GREETING, bytes, Buffer.from('tunnel')]),
  )
  await fuzz(t, { runs: 3000 }, (random) => {
    for (const bytes of [random.pick(corpus), ...GREETINGS_REFUSED.map(([, greeting]) => greeting)]) {
      assertSameHoweverCut(random, bytes)
    }
  })
})

test('any name that is a host is connected to in its normal form, any other is refused', () => {
  const name = fc.oneof(
    fc.domain(),
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ minLength: 1, maxLength: 60 }),
    fc.stringMatching(/^[a-zA-Z0-9._:[\]-]{1,80}$/),
  )
  const port = fc.integer({ min: 1, max: 65535 })
  fc.assert(
    fc.property(name, port, (text, number) => {
      const bytes = Buffer.from(text)
      fc.pre(bytes.length <= 255)
      const host = parseHostname(text)
      const expected =
        host === undefined ? 'reject SOCKS: not a host name' : `connect ${formatAuthority({ host, port: number })}`
      assert.equal(outcome([GREETING, domain(bytes, number)]), expected)
    }),
    { numRuns: 1000 },
  )
})

test('fuzz: never throws, decides within 519 bytes, and the same however the bytes are cut', async (t) => {
  const corpus = [...ACCEPTED, ...REQUESTS_REFUSED].map(([, bytes]) => Buffer.concat([GREETING, bytes]))
  await fuzz(t, { runs: 20_000 }, (random) => {
    const bytes = mutate(random, random.pick(corpus), { corpus })
    const { end } = assertSameHoweverCut(random, bytes)
    if (bytes.length >= LONGEST_GREETING + LONGEST_REQUEST) assert.notEqual(end.kind, 'more')
    if (end.kind === 'connect') assert.equal(parseHostname(end.authority.host), end.authority.host)
  })
})

const LONGEST_GREETING = 2 + 255
const LONGEST_REQUEST = 4 + 1 + 255 + 2

function assertSameHoweverCut(random: Random, bytes: Buffer): ReturnType<typeof handshake> {
  const whole = handshake([bytes])
  const cut = handshake(random.chunks(bytes))
  assert.deepEqual(cut.replies, whole.replies)
  assert.deepEqual(cut.rest, whole.rest)
  assert.deepEqual({ ...cut.end, reply: 0, rest: 0 }, { ...whole.end, reply: 0, rest: 0 })
  return whole
}
