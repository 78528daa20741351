/**
 * The test internet is a fair opponent: its servers speak HTTP/1.1 and HTTP/2 over verified TLS, record what arrived
 * as it arrived, and the servers with bad certificates are refused by a client that checks.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { header, json } from './http-response.ts'
import { startInternet, type Internet, type InternetServer } from './internet.ts'
import { http2Over, http2Request, rawRequest, tlsOver } from './proxy-client.ts'

test('a server answers HTTP/1.1 and HTTP/2 and records both', async () => {
  await using internet = await startInternet()
  const api = await internet.server('api.test')
  assert.deepEqual(internet.connectTo, { 'api.test:443': `127.0.0.1:${api.port}` })

  const socket = await connect(internet, api, 'api.test')
  const request = 'POST /a?b HTTP/1.1\r\nhOST: api.test\r\nContent-Length: 5\r\nX-Two: 1\r\nx-two: 2\r\n\r\nhello'
  const first = await rawRequest(socket, request)
  const second = await rawRequest(socket, request)
  assert.deepEqual([first.status, second.status], [200, 200])
  assert.equal(header(first, 'Content-Type'), 'application/json')
  assert.deepEqual(json(first)['headers'], ['hOST', 'api.test', 'Content-Length', '5', 'X-Two', '1', 'x-two', '2'])
  socket.destroy()

  const tlsOptions = { ca: internet.authority.certificatePem, servername: 'api.test' }
  const session = await http2Over(net.connect(api.port, '127.0.0.1'), 'https://api.test', tlsOptions)
  const third = await http2Request(session, { ':path': '/h2', ':method': 'POST' }, 'hello')
  assert.equal(third.status, 200)
  assert.equal(json(third)['body'], 'hello')
  session.close()

  assert.deepEqual(
    api.requests.map(({ protocol, url, serverName, body }) => [protocol, url, serverName, body.toString()]),
    [
      ['http/1.1', '/a?b', 'api.test', 'hello'],
      ['http/1.1', '/a?b', 'api.test', 'hello'],
      ['h2', '/h2', 'api.test', 'hello'],
    ],
  )
  assert.equal(api.connections, 2)
})

test('a plain server answers on port 80, with chunks, trailers and interim responses', async () => {
  await using internet = await startInternet()
  const plain = await internet.server('plain.test', {
    kind: 'http',
    handler(_request, response) {
      response.writeContinue()
      response.setHeader('Trailer', 'X-Sum')
      response.write('one')
      response.addTrailers({ 'X-Sum': '42' })
      response.end('two')
    },
  })
  assert.ok('plain.test:80' in internet.connectTo)
  const socket = net.connect(plain.port, '127.0.0.1')
  const response = await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  assert.deepEqual(
    [response.interim, response.body.toString(), response.rawTrailers],
    [[100], 'onetwo', ['X-Sum', '42']],
  )
  socket.destroy()
})

const refused = {
  'wrong-name': 'ERR_TLS_CERT_ALTNAME_INVALID',
  expired: 'CERT_HAS_EXPIRED',
  'self-signed': 'DEPTH_ZERO_SELF_SIGNED_CERT',
} as const

for (const [certificate, code] of Object.entries(refused)) {
  test(`a client refuses a certificate that is ${certificate}`, async () => {
    await using internet = await startInternet()
    const bad = await internet.server('bad.test', { certificate: certificate as keyof typeof refused })
    await assert.rejects(connect(internet, bad, 'bad.test'), { code })
  })
}

test('raw servers are handed their connections, before and after TLS', async () => {
  await using internet = await startInternet()
  const onConnection = (socket: net.Socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end')
  const raw = await internet.server('raw.test', { kind: 'tls', onConnection })
  const plain = await internet.server('raw.test', { kind: 'tcp', onConnection })
  const secure = await connect(internet, raw, 'raw.test')
  assert.equal((await rawRequest(secure, 'GET / HTTP/1.1\r\n\r\n')).body.toString(), 'to the end')
  const socket = net.connect(plain.port, '127.0.0.1')
  assert.equal((await rawRequest(socket, 'GET / HTTP/1.1\r\n\r\n')).body.toString(), 'to the end')
})

async function connect(internet: Internet, server: InternetServer, servername: string) {
  const socket = net.connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  return tlsOver(socket, { ca: internet.authority.certificatePem, servername, alpn: ['http/1.1'] })
}
