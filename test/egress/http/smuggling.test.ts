/**
 * A request that two parsers could read differently (request smuggling; RFC 9112 section 11.2) is never sent on. What
 * is malformed ends the connection and leaves exactly one record; what was valid before it on the connection was
 * answered. What is sent on is framed anew, so that no framing of the workload's reaches an upstream.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { json } from '../../support/http-response.ts'
import { connectTunnel, rawRequest } from '../../support/proxy-client.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'plain.test': { kind: 'http' } } as const
const HEAD = 'POST / HTTP/1.1\r\nHost: plain.test\r\n'
const CHUNKED = '3\r\nabc\r\n0\r\n\r\n'
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: plain.test\r\n\r\n'

const refused: Readonly<Record<string, string>> = {
  'CL.TE': `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'TE.CL': `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${CHUNKED}`,
  'TE.TE, the second unknown': `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n${CHUNKED}`,
  'TE.TE, the first unknown': `${HEAD}Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
  'TE.TE, both chunked': `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
  'TE: gzip, chunked': `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKED}`,
  'TE: chunked, identity': `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n${CHUNKED}`,
  'TE: identity': `${HEAD}Transfer-Encoding: identity\r\n\r\n${CHUNKED}`,
  'TE: xchunked': `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${CHUNKED}`,
  'TE: chunked with a parameter': `${HEAD}Transfer-Encoding: chunked;q=1\r\n\r\n${CHUNKED}`,
  'TE: chunked in quotes': `${HEAD}Transfer-Encoding: "chunked"\r\n\r\n${CHUNKED}`,
  'TE: chunked after a vertical tab': `${HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n${CHUNKED}`,
  'a space before the colon of TE': `${HEAD}Transfer-Encoding : chunked\r\n\r\n${CHUNKED}`,
  'a tab before the colon': `${HEAD}Content-Length\t: 3\r\n\r\nabc`,
  'a folded field (obs-fold)': `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n${CHUNKED}`,
  'a folded field elsewhere': `${HEAD}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`,
  'a first field that begins with a space': 'POST / HTTP/1.1\r\n Host: plain.test\r\nContent-Length: 0\r\n\r\n',
  'bare LF after the request line': 'POST / HTTP/1.1\nHost: plain.test\r\nContent-Length: 0\r\n\r\n',
  'bare LF after a field': `${HEAD}X-A: b\nContent-Length: 0\r\n\r\n`,
  'bare LF for the empty line': `${HEAD}Content-Length: 0\r\n\n`,
  'bare CR in a field': `${HEAD}X-A: b\rContent-Length: 9\r\nContent-Length: 0\r\n\r\n`,
  'NUL in a field': `${HEAD}X-A: b\0c\r\nContent-Length: 0\r\n\r\n`,
  'NUL in the target': 'POST /\0 HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 0\r\n\r\n',
  'a control character in a field': `${HEAD}X-A: b\x01c\r\nContent-Length: 0\r\n\r\n`,
  'a field name with a space': `${HEAD}X A: b\r\nContent-Length: 0\r\n\r\n`,
  'a field name that is empty': `${HEAD}: b\r\nContent-Length: 0\r\n\r\n`,
  'a line without a colon': `${HEAD}Nonsense\r\nContent-Length: 0\r\n\r\n`,
  'two lengths that differ': `${HEAD}Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc`,
  'two equal lengths': `${HEAD}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  'a list of lengths': `${HEAD}Content-Length: 3, 3\r\n\r\nabc`,
  'a negative length': `${HEAD}Content-Length: -1\r\n\r\n`,
  'a length with a sign': `${HEAD}Content-Length: +3\r\n\r\nabc`,
  'a length in hexadecimal': `${HEAD}Content-Length: 0x3\r\n\r\nabc`,
  'a length with a space in it': `${HEAD}Content-Length: 1 1\r\n\r\nabc`,
  'an empty length': `${HEAD}Content-Length:\r\n\r\n`,
  'a length beyond 64 bits': `${HEAD}Content-Length: 99999999999999999999999\r\n\r\n`,
  'a chunk size that is none': `${HEAD}Transfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with a sign': `${HEAD}Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with 0x': `${HEAD}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size beyond 64 bits': `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n`,
  'a chunk longer than its size': `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
  'bare LF after a chunk size': `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n`,
  'bare LF after a chunk': `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n`,
  'bare LF in a chunk extension': `${HEAD}Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n`,
  'a trailer that is none': `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX Y: z\r\n\r\n`,
  'no version': 'GET /\r\n\r\n',
  'HTTP/0.9 with a version': 'GET / HTTP/0.9\r\nHost: plain.test\r\n\r\n',
  'HTTP/2 in the request line': 'GET / HTTP/2.0\r\nHost: plain.test\r\n\r\n',
  'HTTP/1.2': 'GET / HTTP/1.2\r\nHost: plain.test\r\n\r\n',
  'a tab in the request line': 'GET\t/ HTTP/1.1\r\nHost: plain.test\r\n\r\n',
  'a space in the target': 'GET /a b HTTP/1.1\r\nHost: plain.test\r\n\r\n',
  'an unknown method': 'SMUGGLE / HTTP/1.1\r\nHost: plain.test\r\n\r\n',
  'a method in lower case': 'get / HTTP/1.1\r\nHost: plain.test\r\n\r\n',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a field of 70000 bytes': `${HEAD}X-A: ${'a'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`,
  'twenty thousand fields': `${HEAD}${'X-A: b\r\n'.repeat(20_000)}Content-Length: 0\r\n\r\n`,
}

describe('malformed requests', () => {
  for (const [what, bytes] of Object.entries(refused)) {
    test(`${what}: refused with one record, and nothing leaves`, async (t) => {
      const bed = await startBed(t, { hosts })
      await sendAndWait(await connectTunnel(bed.proxy, 'plain.test:80'), bytes)
      await bed.record(() => true)
      assert.deepEqual(
        bed.records.map(({ decision, code }) => [decision, ['bad_request', 'protocol_unsupported'].includes(code)]),
        [['blocked', true]],
      )
      bed.nothingLeft()
    })
  }

  test('what came before on the connection was answered, what comes after is not read', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    assert.equal((await rawRequest(socket, 'GET /first HTTP/1.1\r\nHost: plain.test\r\n\r\n')).status, 200)
    await sendAndWait(socket, `${refused['TE: chunked, identity']}${HIDDEN}`)
    assert.deepEqual(arrivedUrls(bed), ['/first'])
    assert.deepEqual(
      bed.records.map(({ code }) => code),
      ['', 'bad_request'],
    )
  })
})

describe('framing is ours', () => {
  test('a chunked body arrives with its length, without extensions and trailers', async (t) => {
    const bed = await startBed(t, { hosts })
    const chunks = '1;a="b"\r\na\r\n000002\r\nbc\r\n0\r\nX-Trailer: hidden\r\n\r\n'
    const response = await rawRequest(
      await connectTunnel(bed.proxy, 'plain.test:80'),
      `${HEAD}Transfer-Encoding: Chunked\r\nTrailer: X-Trailer\r\n\r\n${chunks}`,
    )
    assert.deepEqual(json(response)['headers'], [
      'Host',
      'plain.test',
      'Content-Length',
      '3',
      'Connection',
      'keep-alive',
    ])
    assert.equal(json(response)['body'], 'abc')
  })

  test('a body on a GET arrives with its length', async (t) => {
    const bed = await startBed(t, { hosts })
    const response = await rawRequest(
      await connectTunnel(bed.proxy, 'plain.test:80'),
      `GET / HTTP/1.1\r\nHost: plain.test\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
    )
    assert.equal(json(response)['body'], 'abc')
  })

  test('a request line with more spaces arrives with one', async (t) => {
    const bed = await startBed(t, { hosts })
    await rawRequest(
      await connectTunnel(bed.proxy, 'plain.test:80'),
      'GET  /spaced HTTP/1.1\r\nHost: plain.test\r\n\r\n',
    )
    assert.deepEqual(arrivedUrls(bed), ['/spaced'])
  })

  test('requests in a body stay a body', async (t) => {
    const bed = await startBed(t, { hosts })
    await rawRequest(
      await connectTunnel(bed.proxy, 'plain.test:80'),
      `${HEAD}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    )
    assert.deepEqual(arrivedUrls(bed), ['/'])
  })
})

/** Sends, and waits for the egress to end the connection. */
async function sendAndWait(socket: Socket, bytes: string): Promise<void> {
  const closed = once(socket, 'close')
  socket.on('error', () => {}).resume()
  socket.write(bytes, 'latin1')
  await closed
}

function arrivedUrls(bed: Bed): readonly string[] {
  return bed.server('plain.test').requests.map(({ url }) => url)
}
