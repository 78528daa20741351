/**
 * The explicit proxy takes HTTP/1.1 with absolute targets, CONNECT and SOCKS5. Inside a tunnel it speaks TLS, with
 * HTTP/2 or HTTP/1.1 as the client chooses, or plain HTTP; whatever the way in, a request arrives upstream as it was
 * sent and leaves one record. What is not for a proxy is refused with a record.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { header, json } from '../../support/http-response.ts'
import {
  connectSocks5,
  connectTcp,
  connectTunnel,
  get,
  http2Request,
  http2Session,
  rawRequest,
  tlsOver,
  TunnelRefused,
} from '../../support/proxy-client.ts'
import { startBed } from '../bed.ts'

const hosts = { 'api.test': {}, 'plain.test': { kind: 'http' } } as const

test('absolute form: the upstream gets origin form, the client the answer', async (t) => {
  const bed = await startBed(t, { hosts })
  const response = await get('http://plain.test/a/b?c=d', { proxy: bed.proxy })
  assert.equal(response.status, 200)
  assert.deepEqual(json(response), {
    protocol: 'http/1.1',
    method: 'GET',
    url: '/a/b?c=d',
    headers: ['Host', 'plain.test', 'Connection', 'keep-alive'],
    body: '',
  })
})

test('absolute form without a path asks for /', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTcp(bed.proxy)
  const bare = await rawRequest(socket, 'GET http://plain.test HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  const query = await rawRequest(socket, 'GET HTTP://PLAIN.test:80?q HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  assert.deepEqual([json(bare)['url'], json(query)['url']], ['/', '/?q'])
  socket.destroy()
})

test('absolute form with https: the egress speaks TLS with the upstream', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTcp(bed.proxy)
  const response = await rawRequest(socket, 'GET https://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n')
  assert.equal(json(response)['url'], '/x')
  assert.equal(bed.records[0]?.url, 'https://api.test/x')
  socket.destroy()
})

test('CONNECT with HTTP/1.1 inside TLS', async (t) => {
  const bed = await startBed(t, { hosts })
  const response = await get('https://api.test/v1', {
    proxy: bed.proxy,
    ca: bed.ca,
    method: 'POST',
    body: 'hello',
  })
  assert.equal(response.status, 200)
  const { method, url, body, protocol } = json(response)
  assert.deepEqual({ method, url, body, protocol }, { method: 'POST', url: '/v1', body: 'hello', protocol: 'http/1.1' })
})

test('CONNECT with HTTP/2 inside TLS, and HTTP/2 to the upstream', async (t) => {
  const bed = await startBed(t, { hosts })
  const session = await http2Session('https://api.test', bed)
  const [one, two] = await Promise.all([
    http2Request(session, { ':path': '/1' }),
    http2Request(session, { ':path': '/2', ':method': 'POST', 'x-a': 'b' }, 'body'),
  ])
  assert.deepEqual([one.status, two.status], [200, 200])
  assert.deepEqual(json(two), {
    protocol: 'h2',
    method: 'POST',
    url: '/2',
    headers: [
      ':method',
      'POST',
      ':scheme',
      'https',
      ':authority',
      'api.test',
      ':path',
      '/2',
      'x-a',
      'b',
      'content-length',
      '4',
    ],
    body: 'body',
  })
  assert.deepEqual(
    bed.records.map(({ protocol, url }) => [protocol, url]),
    [
      ['h2', 'https://api.test/1'],
      ['h2', 'https://api.test/2'],
    ],
  )
  session.close()
})

test('the client chooses by ALPN; without it HTTP/1.1 is spoken', async (t) => {
  const bed = await startBed(t, { hosts })
  const chosen = []
  for (const alpn of [['h2', 'http/1.1'], ['http/1.1'], undefined]) {
    const socket = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), {
      ca: bed.ca,
      servername: 'api.test',
      ...(alpn === undefined ? {} : { alpn }),
    })
    chosen.push(socket.alpnProtocol)
    socket.destroy()
  }
  assert.deepEqual(chosen, ['h2', 'http/1.1', false])
})

test('CONNECT with plain HTTP inside', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  const response = await rawRequest(socket, 'GET /in/tunnel HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  assert.equal(json(response)['url'], '/in/tunnel')
  assert.equal(bed.records[0]?.url, 'http://plain.test/in/tunnel')
  socket.destroy()
})

test('bytes that follow CONNECT in the same packet belong to the tunnel', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTcp(bed.proxy)
  const tunnel = 'CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test:80\r\n\r\n'
  const opened = rawRequest(socket, `${tunnel}GET /early HTTP/1.1\r\nHost: plain.test\r\n\r\n`)
  assert.equal((await opened).status, 200)
  assert.equal(json(await rawRequest(socket, ''))['url'], '/early')
  socket.destroy()
})

test('a SOCKS5 handshake that breaks off is on record', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTcp(bed.proxy)
  socket.write(Buffer.of(5, 1, 0, 5, 1, 0, 3, 9))
  await once(socket, 'data')
  socket.destroy()
  const { decision, reason } = await bed.record(({ protocol }) => protocol === 'socks5')
  assert.deepEqual([decision, reason], ['blocked', 'closed before its SOCKS handshake was complete'])
  bed.nothingLeft()
})

test('SOCKS5 with a domain name, TLS and plain HTTP inside', async (t) => {
  const bed = await startBed(t, { hosts })
  const plain = await connectSocks5(bed.proxy, 'plain.test', 80)
  assert.equal(json(await rawRequest(plain, 'GET /s HTTP/1.1\r\nHost: plain.test\r\n\r\n'))['url'], '/s')
  plain.destroy()
  const tunnel = await connectSocks5(bed.proxy, 'api.test', 443)
  const secure = await tlsOver(tunnel, { ca: bed.ca, servername: 'api.test', alpn: ['http/1.1'] })
  assert.equal(json(await rawRequest(secure, 'GET /t HTTP/1.1\r\nHost: api.test\r\n\r\n'))['url'], '/t')
  secure.destroy()
  assert.deepEqual(
    bed.records.map(({ url }) => url),
    ['http://plain.test/s', 'https://api.test/t'],
  )
})

test('a host that is not allowed: the tunnel opens, the request in it is told why not', async (t) => {
  const bed = await startBed(t, { hosts })
  bed.denied(await get('https://evil.test/x', bed), {
    status: 403,
    code: 'domain_denied',
    host: 'evil.test',
    reason: 'domain not in allowlist: evil.test',
  })
  bed.denied(await get('http://evil.test/x', bed), { status: 403, code: 'domain_denied', host: 'evil.test' })
})

test('a request that is not for a proxy is refused', async (t) => {
  const bed = await startBed(t, { hosts })
  const response = await rawRequest(await connectTcp(bed.proxy), 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  const { path } = bed.denied(response, { status: 400, code: 'bad_request', host: 'plain.test' })
  assert.equal(path, '/')
  assert.equal(header(response, 'Content-Type'), 'application/json')
})

for (const target of [
  'api.test',
  'api.test:',
  ':443',
  'api.test:0',
  'api.test:65536',
  'user@api.test:443',
  '::1:443',
  'http://api.test:443',
  '/',
  '*',
  '[::1%25lo]:443',
  '0x7f.1:443',
]) {
  test(`CONNECT ${target} is refused`, async (t) => {
    const bed = await startBed(t, { hosts })
    const refused = await connectTunnel(bed.proxy, target).catch((error: unknown) => error)
    assert.ok(refused instanceof TunnelRefused)
    assert.equal(refused.response.status, 400)
    assert.equal(bed.records.length, 1)
    assert.deepEqual([bed.records[0]?.decision, bed.records[0]?.code], ['blocked', 'bad_request'])
  })
}

test('CONNECT inside a tunnel is refused, in plain HTTP, in TLS and in HTTP/2', async (t) => {
  const bed = await startBed(t, { hosts })
  const nested = 'CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test:80\r\n\r\n'
  const plain = await rawRequest(await connectTunnel(bed.proxy, 'plain.test:80'), nested)
  const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), { ca: bed.ca, servername: 'api.test' })
  const session = await http2Session('https://api.test', bed)
  const overHttp2 = await http2Request(session, { ':method': 'CONNECT', ':authority': 'plain.test:80' })
  for (const response of [plain, await rawRequest(secure, nested), overHttp2]) {
    bed.denied(response, { status: 400, code: 'bad_request', host: 'plain.test:80', reason: 'CONNECT inside a tunnel' })
  }
  session.close()
})

test('bytes in a tunnel that are neither TLS nor HTTP: closed and recorded', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTunnel(bed.proxy, 'api.test:22')
  socket.resume().end('SSH-2.0-OpenSSH_9.9\r\n')
  await once(socket, 'close')
  const { host, port, protocol, decision, code, reason } = await bed.record(() => true)
  assert.deepEqual(
    { host, port, protocol, decision, code, reason },
    {
      host: 'api.test',
      port: 22,
      protocol: 'raw',
      decision: 'blocked',
      code: 'protocol_unsupported',
      reason: 'neither TLS nor HTTP',
    },
  )
})

test('TLS with the proxy itself is refused', async (t) => {
  const bed = await startBed(t, { hosts })
  await assert.rejects(tlsOver(await connectTcp(bed.proxy), { ca: bed.ca, servername: 'api.test' }))
  const { protocol, code, reason } = await bed.record(() => true)
  assert.deepEqual(
    { protocol, code, reason },
    { protocol: 'tls', code: 'protocol_unsupported', reason: 'TLS where it is not expected' },
  )
})
