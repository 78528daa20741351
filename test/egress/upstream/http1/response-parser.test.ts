/**
 * A response is read as RFC 9112 says, or refused: nothing that two readers could take differently passes (response
 * splitting, request smuggling seen from the other side), nothing is kept without bound, and how the bytes were cut
 * into pieces makes no difference. The parser of `node:http` is the other reader.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fuzz, mutate } from '../../../support/fuzz.ts'
import { NodeReader, read } from './reading.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

/** Responses that are whole, with the method that they answer. */
const valid: Readonly<Record<string, readonly [bytes: string, method?: string]>> = {
  'with a length': [`${OK}Content-Length: 3\r\n\r\nabc`],
  'with the length 0': [`${OK}Content-Length: 0\r\n\r\n`],
  'with a length that has leading zeros': [`${OK}Content-Length: 0003\r\n\r\nabc`],
  'in one chunk': [`${CHUNKED}3\r\nabc\r\n0\r\n\r\n`],
  'in chunks, one of many digits, with extensions': [
    `${CHUNKED}1;a=b\r\na\r\n00A;c="d";e\r\n0123456789\r\n0;last\r\n\r\n`,
  ],
  'with trailers': [`${CHUNKED}3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n`],
  'with a coding in capitals': [`${OK}TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n`],
  'until the connection closes': [`${OK}X-A: b\r\n\r\nabc\r\n\r\ndef`],
  'without a field': [`${OK}\r\n`],
  'without a reason': ['HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'],
  'without the space before the reason': ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'],
  'with a reason beyond ASCII': ['HTTP/1.1 200 \xc3\xa4\r\nContent-Length: 0\r\n\r\n'],
  'with a status that nobody knows': ['HTTP/1.1 799 What\r\nContent-Length: 1\r\n\r\na'],
  'of HTTP/1.0': ['HTTP/1.0 200 OK\r\n\r\nabc'],
  'of HTTP/1.0 with a length': ['HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc'],
  'to HEAD, with the length of what is not sent': [`${OK}Content-Length: 300\r\n\r\n`, 'HEAD'],
  'to HEAD, with a coding': [CHUNKED, 'HEAD'],
  '204': ['HTTP/1.1 204 No Content\r\n\r\n'],
  '205 in chunks, of which there are none': [
    'HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  '205 with content that it should not have': ['HTTP/1.1 205 Reset Content\r\nContent-Length: 3\r\n\r\nabc'],
  '304 with a length': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n'],
  'after interim responses': [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 1\r\n\r\na`,
  ],
  'values with white space around and in them': [
    `${OK}X-A: \t a  b\t \r\nX-B:c\r\nX-C:\r\nX-D:  \r\nContent-Length: 0\r\n\r\n`,
  ],
  'a value that ends in U+00A0': [`${OK}X-A: a\xa0\r\nContent-Length: 0\r\n\r\n`],
  'duplicates, and names in any case': [
    `${OK}set-cookie: a\r\nSet-Cookie: b\r\nSET-COOKIE: a\r\nContent-Length: 0\r\n\r\n`,
  ],
  'every character of a name': [`${OK}!#$%&'*+-.^_\`|~09azAZ: b\r\nContent-Length: 0\r\n\r\n`],
}

const refused: Readonly<Record<string, string>> = {
  'another protocol': 'SSH-2.0-OpenSSH_9.9\r\n',
  'another protocol, begun': 'SSH',
  'an empty line first': `\r\n${OK}\r\n`,
  'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
  'HTTP/1.2': 'HTTP/1.2 200 OK\r\n\r\n',
  'HTTP/1.10': 'HTTP/1.10 200 OK\r\n\r\n',
  'http in lower case': 'http/1.1 200 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
  'the status 000': 'HTTP/1.1 000 OK\r\n\r\n',
  'two spaces before the status': 'HTTP/1.1  200 OK\r\n\r\n',
  'a tab before the status': 'HTTP/1.1\t200 OK\r\n\r\n',
  'a reason with NUL': 'HTTP/1.1 200 O\0K\r\n\r\n',
  'a reason with a bare CR': 'HTTP/1.1 200 O\rK\r\n\r\n',
  'bare LF after the status line': 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n',
  'bare LF everywhere': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'bare LF after a field': `${OK}X-A: b\nContent-Length: 0\r\n\r\n`,
  'bare CR after a field': `${OK}X-A: b\rContent-Length: 0\r\n\r\n`,
  'CR CR LF': `${OK}X-A: b\r\r\nContent-Length: 0\r\n\r\n`,
  'a folded field': `${OK}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`,
  'a folded field, by a tab': `${OK}X-A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n`,
  'a first field that begins with a space': `${OK} X-A: b\r\nContent-Length: 0\r\n\r\n`,
  'a space before the colon': `${OK}Content-Length : 0\r\n\r\n`,
  'a tab before the colon': `${OK}Content-Length\t: 0\r\n\r\n`,
  'a name with a space': `${OK}X A: b\r\n\r\n`,
  'a name beyond ASCII': `${OK}X-\xe4: b\r\n\r\n`,
  'a name that is empty': `${OK}: b\r\n\r\n`,
  'a line without a colon': `${OK}Nonsense\r\n\r\n`,
  'NUL in a value': `${OK}X-A: \0\r\n\r\n`,
  'a control character in a value': `${OK}X-A: b\x01\r\n\r\n`,
  'DEL in a value': `${OK}X-A: b\x7f\r\n\r\n`,
  'a vertical tab before `chunked`': `${OK}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'U+00A0 before `chunked`': `${OK}Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n`,
  'a length and a transfer coding': `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a transfer coding and a length': `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  'a coding before chunked': `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'a coding after chunked': `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  'chunked twice': `${OK}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  'chunked in two fields': `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunked, then an empty coding': `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n`,
  'chunked with a parameter': `${OK}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n`,
  'a coding that is empty': `${OK}Transfer-Encoding:\r\n\r\n0\r\n\r\n`,
  identity: `${OK}Transfer-Encoding: identity\r\nX: y\r\n\r\nabc`,
  'two lengths that differ': `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
  'two equal lengths': `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
  'a list of lengths': `${OK}Content-Length: 1, 1\r\n\r\na`,
  'a length with a sign': `${OK}Content-Length: +1\r\n\r\na`,
  'a negative length': `${OK}Content-Length: -1\r\n\r\n`,
  'a length in hexadecimal': `${OK}Content-Length: 0x1\r\n\r\na`,
  'a length with an exponent': `${OK}Content-Length: 1e1\r\n\r\n0123456789`,
  'a length with a fraction': `${OK}Content-Length: 1.0\r\n\r\na`,
  'a length with a space in it': `${OK}Content-Length: 1 1\r\n\r\na`,
  'a length that is empty': `${OK}Content-Length:\r\n\r\n`,
  'a length beyond what a number holds': `${OK}Content-Length: 9007199254740993\r\n\r\n`,
  'a length beyond 64 bits': `${OK}Content-Length: 99999999999999999999999\r\n\r\n`,
  'a chunk size that is none': `${CHUNKED}x\r\nabc\r\n0\r\n\r\n`,
  'a chunk size that is empty': `${CHUNKED}\r\nabc\r\n0\r\n\r\n`,
  'a chunk size that is only an extension': `${CHUNKED};a\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with a sign': `${CHUNKED}+3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with 0x': `${CHUNKED}0x3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with a space before it': `${CHUNKED} 3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with a space behind it': `${CHUNKED}3 \r\nabc\r\n0\r\n\r\n`,
  'a chunk size beyond 64 bits': `${CHUNKED}fffffffffffffffff\r\nabc`,
  'a chunk size of endless zeros': `${CHUNKED}${'0'.repeat(100)}3\r\nabc\r\n0\r\n\r\n`,
  'a chunk longer than its size': `${CHUNKED}1\r\nabc\r\n0\r\n\r\n`,
  'a chunk without its line end': `${CHUNKED}3\r\nabc0\r\n\r\n`,
  'bare LF after a chunk size': `${CHUNKED}3\nabc\r\n0\r\n\r\n`,
  'bare CR after a chunk size': `${CHUNKED}3\rabc\r\n0\r\n\r\n`,
  'bare LF after a chunk': `${CHUNKED}3\r\nabc\n0\r\n\r\n`,
  'bare LF in an extension': `${CHUNKED}3;a\nb\r\nabc\r\n0\r\n\r\n`,
  'NUL in an extension': `${CHUNKED}3;a\0\r\nabc\r\n0\r\n\r\n`,
  'an extension without end': `${CHUNKED}3;${'a'.repeat(20_000)}`,
  'a trailer that is none': `${CHUNKED}0\r\nX Y: z\r\n\r\n`,
  'bare LF in trailers': `${CHUNKED}0\r\nX-Y: z\n\r\n`,
  'a length in trailers': `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`,
  'a transfer coding in trailers': `${CHUNKED}0\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'trailers without end': `${CHUNKED}0\r\nX: ${'a'.repeat(70_000)}`,
  'a field without end': `${OK}X-A: ${'a'.repeat(70_000)}`,
  'a head of more than 65536 bytes': `${OK}X-A: ${'a'.repeat(70_000)}\r\n\r\n`,
  'too many fields': `${OK}${'a:\r\n'.repeat(1001)}\r\n`,
  'interim responses without end': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000),
  'an interim response of HTTP/1.0': `HTTP/1.0 103 Early Hints\r\n\r\n${OK}\r\n`,
  'an interim response that closes': `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${OK}\r\n`,
  'a switch of protocols': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
}

describe('what is whole', () => {
  for (const [what, [bytes, method]] of Object.entries(valid)) {
    test(`${what}: read as node:http reads it, however it is cut`, async () => {
      await using node = await NodeReader.start()
      const buffer = Buffer.from(bytes, 'latin1')
      const { reading } = read([buffer], method)
      assert.equal(reading.kind, 'whole')
      assert.deepEqual(reading, await node.read(buffer, method))
      const byBytes = [...buffer].map((byte) => Buffer.of(byte))
      assert.deepEqual(read(byBytes, method).reading, reading)
      for (let at = 1; at < buffer.length; at++)
        assert.deepEqual(read([buffer.subarray(0, at), buffer.subarray(at)], method).reading, reading, `cut at ${at}`)
    })
  }
})

describe('what is refused', () => {
  for (const [what, bytes] of Object.entries(refused)) {
    test(`${what}, in one piece and in many, and before the connection ends`, () => {
      const buffer = Buffer.from(bytes, 'latin1')
      assert.equal(read([buffer]).reading.kind, 'refused')
      for (const size of [1, 7])
        assert.equal(read(pieces(buffer.subarray(0, 70_000), size)).reading.kind, 'refused', `pieces of ${size}`)
    })
  }

  test('what ends too early is incomplete, wherever that is', () => {
    for (const [bytes, method] of Object.values(valid)) {
      const buffer = Buffer.from(bytes, 'latin1')
      const untilClose = !/content-length|transfer-encoding|1 [23]04/i.test(bytes)
      const end = untilClose ? bytes.indexOf('\r\n\r\n') + 3 : buffer.length - 1
      for (let at = 0; at <= end; at++)
        assert.equal(read([buffer.subarray(0, at)], method).reading.kind, 'incomplete', `${bytes} until ${at}`)
    }
  })
})

describe('what follows a response', () => {
  const following = (bytes: string, method = 'GET'): readonly [rest: string, isPersistent: boolean] => {
    const { rest, isPersistent } = read([Buffer.from(`${bytes}HTTP/1.1 200 Poison`, 'latin1')], method)
    return [rest, isPersistent]
  }

  test('belongs to none', () => {
    for (const [bytes, method] of [
      [`${OK}Content-Length: 1\r\n\r\na`],
      [`${CHUNKED}1\r\na\r\n0\r\n\r\n`],
      [`${CHUNKED}0\r\nX: y\r\n\r\n`],
      [`${OK}Content-Length: 100\r\n\r\n`, 'HEAD'],
      ['HTTP/1.1 204 No Content\r\nContent-Length: 100\r\n\r\n'],
      ['HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ] as const)
      assert.deepEqual(following(bytes, method), ['HTTP/1.1 200 Poison', true], bytes)
  })

  test('after a switch of protocols that was asked for it is the other protocol', () => {
    const { reading, rest } = read([Buffer.from('HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nframe')], 'GET', true)
    assert.deepEqual([reading.kind, rest], ['whole', 'frame'])
  })

  test('a connection is kept only where nothing speaks against it', () => {
    const kept = (head: string): boolean => following(`${head}\r\nContent-Length: 0\r\n\r\n`)[1]
    assert.equal(kept('HTTP/1.1 200 OK'), true)
    assert.equal(kept('HTTP/1.1 200 OK\r\nConnection: keep-alive'), true)
    assert.equal(kept('HTTP/1.1 200 OK\r\nConnection: closed'), true)
    for (const field of ['close', 'Close', 'x, close', 'close ,x', 'x\r\nConnection: close'])
      assert.equal(kept(`HTTP/1.1 200 OK\r\nConnection: ${field}`), false, field)
    assert.equal(kept('HTTP/1.0 200 OK\r\nConnection: keep-alive'), false)
  })
})

test('any cut of any response is read alike', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/)
  const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,40}[\x21-\x7e\x80-\xff])?$/)
  const free = ['content-length', 'transfer-encoding', 'connection', 'keep-alive']
  const fields = fc.array(
    fc.tuple(
      token.filter((name) => !free.includes(name.toLowerCase())),
      value,
    ),
    { maxLength: 12 },
  )
  const chunk = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  const random = fc.record({
    status: fc.constantFrom(200, 206, 301, 404, 503),
    fields,
    trailers: fields,
    chunks: fc.array(chunk, { maxLength: 8 }),
    isChunked: fc.boolean(),
    cuts: fc.array(fc.nat(3000), { maxLength: 20 }),
  })
  fc.assert(
    fc.property(random, ({ status, fields: head, trailers, chunks, isChunked, cuts }) => {
      const lines = (list: readonly (readonly [string, string])[]): string =>
        list.map(([name, text]) => `${name}: ${text}\r\n`).join('')
      const body = chunks.join('')
      const framed = isChunked
        ? `Transfer-Encoding: chunked\r\n\r\n${chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('')}0\r\n${lines(trailers)}\r\n`
        : `Content-Length: ${body.length}\r\n\r\n${body}`
      const bytes = Buffer.from(`HTTP/1.1 ${status} Some\r\n${lines(head)}${framed}`, 'latin1')
      const [name, text] = isChunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(body.length)]
      assert.deepEqual(read(cutAt(bytes, cuts)).reading, {
        kind: 'whole',
        status,
        reason: 'Some',
        headers: [...head.flat(), name, text],
        body,
        trailers: isChunked ? trailers.flat() : [],
      })
    }),
  )
})

test('mutated responses: the same in any pieces, and never taken where node:http refuses, nor read otherwise', async (t) => {
  await using node = await NodeReader.start()
  const corpus = [...Object.values(valid).map(([bytes]) => bytes), ...Object.values(refused)]
    .filter((bytes) => bytes.length < 2000)
    .map((bytes) => Buffer.from(bytes, 'latin1'))
  let whole = 0
  await fuzz(t, { runs: 600 }, async (random) => {
    const method = random.chance(0.1) ? 'HEAD' : 'GET'
    const bytes = random.chance(0.5)
      ? mutate(random, random.pick(corpus), { corpus })
      : mutate(random, random.pick(corpus), { rounds: 1 })
    const ours = read([bytes], method)
    assert.deepEqual(read(random.chunks(bytes), method), ours, JSON.stringify(bytes.toString('latin1')))
    if (ours.reading.kind !== 'whole') return
    whole += 1
    // Without what follows: it belongs to none, and only ends the connection.
    const response = bytes.subarray(0, bytes.length - ours.rest.length)
    assert.deepEqual(ours.reading, await node.read(response, method), JSON.stringify(bytes.toString('latin1')))
  })
  t.diagnostic(`${whole} of them were whole`)
})

function pieces(bytes: Buffer, size: number): Buffer[] {
  const list: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) list.push(bytes.subarray(at, at + size))
  return list
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.filter((at) => at < bytes.length), bytes.length])].toSorted((a, b) => a - b)
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}
