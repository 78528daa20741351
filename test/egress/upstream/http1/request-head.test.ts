/**
 * What is written is one request, with the fields in the order and case that they were given, whatever was put into
 * them: a secret with a line end in it, or anything else that would make two requests of one, is refused, and the
 * reason never holds a value.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { Denial } from '../../../../src/egress/denial.ts'
import { formatRequestHead, type WireRequest } from '../../../../src/egress/upstream/http1/request-head.ts'

const EMPTY = Buffer.alloc(0)
const GET: WireRequest = { method: 'GET', target: '/a?b', headers: ['Host', 'api.test'], body: EMPTY }

test('order, case and duplicates are kept; `Connection` is added where nothing says it', () => {
  const headers = ['x-b', '1', 'HOST', 'api.test', 'X-A', '2', 'x-b', 'ä', 'X-B', '']
  assert.equal(
    formatRequestHead({ ...GET, headers }),
    'GET /a?b HTTP/1.1\r\nx-b: 1\r\nHOST: api.test\r\nX-A: 2\r\nx-b: ä\r\nX-B: \r\nConnection: keep-alive\r\n\r\n',
  )
  assert.equal(
    formatRequestHead({ ...GET, headers: ['Host', 'a', 'connection', 'Upgrade', 'Upgrade', 'websocket'] }),
    'GET /a?b HTTP/1.1\r\nHost: a\r\nconnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
})

const BODY = Buffer.from('abc')
const refused: Readonly<Record<string, Partial<WireRequest>>> = {
  'CR LF in a value': { headers: ['Host', 'a', 'X', 'b\r\nX-C: d'] },
  'CR in a value': { headers: ['Host', 'a', 'X', 'b\rc'] },
  'LF in a value': { headers: ['Host', 'a', 'X', 'b\nc'] },
  'NUL in a value': { headers: ['Host', 'a', 'X', 'b\0c'] },
  'a control character in a value': { headers: ['Host', 'a', 'X', 'b\x1b'] },
  'a value that becomes CR LF as Latin-1': { headers: ['Host', 'a', 'X', 'b\u010d\u010ac'] },
  'a value beyond Latin-1': { headers: ['Host', 'a', 'X', '\u20ac'] },
  'CR LF in a name': { headers: ['Host', 'a', 'X\r\nY', 'b'] },
  'a colon in a name': { headers: ['Host', 'a', 'X:', 'b'] },
  'a space in a name': { headers: ['Host', 'a', 'X ', 'b'] },
  'an empty name': { headers: ['Host', 'a', '', 'b'] },
  'a space in the target': { target: '/a b' },
  'CR LF in the target': { target: '/ HTTP/1.1\r\nX: y' },
  'a target beyond Latin-1': { target: '/\u010d\u010a' },
  'an empty target': { target: '' },
  'a space in the method': { method: 'GET /x' },
  'an empty method': { method: '' },
  'CONNECT, whose answer is a tunnel': { method: 'CONNECT' },
  'no Host': { headers: ['X', 'a'] },
  'two of them': { headers: ['Host', 'a', 'host', 'a'] },
  'a transfer coding': { headers: ['Host', 'a', 'transfer-encoding', 'chunked'] },
  'a length that is not the body’s': { headers: ['Host', 'a', 'Content-Length', '5'], body: BODY },
  'a length of a body that is not there': { headers: ['Host', 'a', 'Content-Length', '5'] },
  'two lengths': { headers: ['Host', 'a', 'Content-Length', '3', 'content-length', '3'], body: BODY },
  'a body without a length': { body: BODY },
}

for (const [what, request] of Object.entries(refused)) {
  test(`${what}: refused`, () => {
    assert.throws(() => formatRequestHead({ ...GET, ...request }), isRefusal)
  })
}

test('the reason holds no value', () => {
  const secret = 'live-value-0123456789\r\nX: y'
  assert.throws(
    () => formatRequestHead({ ...GET, headers: ['Host', 'a', 'Authorization', secret] }),
    (error) => isRefusal(error) && error.message.includes('Authorization') && !error.message.includes('live-value'),
  )
})

test('whatever the parts are: refused, or one request to a server of node:http, with these parts', async () => {
  const server = http.createServer({ requireHostHeader: false, insecureHTTPParser: false })
  server.maxHeadersCount = 0
  const arrived: http.IncomingMessage[] = []
  const problems: unknown[] = []
  server.on('request', (request, response) => {
    arrived.push(request)
    response.end()
  })
  server.on('clientError', (error, socket) => {
    problems.push(error)
    socket.destroy()
  })
  server.on('upgrade', (request, socket) => {
    arrived.push(request)
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const text = (most: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...Array.from('aZ09-_/%?&=:;, \t\r\n\0\x7f\xe4\u010d\u010a')), maxLength: most })
  const fine = fc.stringMatching(/^[!-~\xa1-\xff]{1,20}$/)
  const field = fc.tuple(
    fc.oneof({ weight: 5, arbitrary: fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/) }, { weight: 1, arbitrary: text(8) }),
    fc.oneof({ weight: 5, arbitrary: fine }, { weight: 1, arbitrary: text(12) }),
  )
  const parts = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PROPFIND'),
    path: fc.oneof({ weight: 5, arbitrary: fc.stringMatching(/^[!-~]{0,20}$/) }, { weight: 1, arbitrary: text(12) }),
    fields: fc.array(field, { maxLength: 6 }),
  })
  await fc.assert(
    fc.asyncProperty(parts, async ({ method, path, fields }) => {
      const headers = ['Host', 'api.test', ...fields.flat(), 'Content-Length', '3', 'Connection', 'close']
      const target = `/${path}`
      let head: string
      try {
        head = formatRequestHead({ method, target, headers, body: BODY })
      } catch (error) {
        return assert.ok(isRefusal(error))
      }
      arrived.length = problems.length = 0
      const socket = net.connect(port, '127.0.0.1')
      socket.on('error', () => {}).resume()
      socket.end(Buffer.concat([Buffer.from(head, 'latin1'), BODY]))
      await once(socket, 'close')
      // The server may know better than to take it (a length it cannot read, an unknown upgrade), never take it otherwise.
      if (problems.length > 0) return assert.equal(arrived.length, 0)
      assert.deepEqual(
        arrived.map((request) => [request.method, request.url, request.rawHeaders]),
        [
          [
            method,
            target,
            headers.map((value, index) => (index % 2 === 1 ? value.replaceAll(/^[\t ]+|[\t ]+$/g, '') : value)),
          ],
        ],
      )
    }),
    { numRuns: 200 },
  )
  server.close()
  server.closeAllConnections()
})

function isRefusal(error: unknown): error is Denial {
  return error instanceof Denial && error.code === 'bad_request'
}
