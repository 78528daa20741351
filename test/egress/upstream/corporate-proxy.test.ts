/**
 * With `upstream.proxy` everything leaves through that proxy: TLS in a tunnel (CONNECT), so that the certificate is
 * still checked here, plain HTTP in absolute form. Its credentials are for it alone. Whatever it does wrong is a failure
 * upstream; and an address that the guard forbids is not asked of it either.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { json } from '../../support/http-response.ts'
import type { ServerOptions } from '../../support/internet.ts'
import { connectTunnel, get, http2Request, http2Session, tlsOver } from '../../support/proxy-client.ts'
import { startBed } from '../bed.ts'
import { openWebSocket, playWebSocket } from '../websocket/sockets.ts'
import { startProxy } from './proxy-server.ts'

const CREDENTIALS = `Basic ${Buffer.from('user name:p@ss:word').toString('base64')}`

/** An egress whose only way out is a proxy, which finds the hosts. */
async function bedBehindProxy(
  t: TestContext,
  hosts: Readonly<Record<string, ServerOptions>>,
  { credentials = '' } = {},
) {
  const bed = await startBed(t, { hosts, config: { domains: { list: ['test', '10.0.0.1'] } } })
  const proxy = await startProxy(t, bed.internet.connectTo)
  await bed.reload({ upstream: { connect_to: {}, proxy: `http://${credentials}${proxy.address}` } })
  return { bed, proxy }
}

describe('a proxy that works', () => {
  const hosts = { 'api.test': {}, 'plain.test': { kind: 'http' } } as const

  test('https: a tunnel to the host, its certificate checked here, the credentials for the proxy only', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, hosts, { credentials: 'user%20name:p%40ss%3Aword@' })
    const response = await get('https://api.test/x', bed)
    assert.deepEqual(json(response)['headers'], ['Host', 'api.test', 'Connection', 'keep-alive'])
    assert.deepEqual(proxy.requests, [
      { line: 'CONNECT api.test:443', fields: ['Host', 'api.test:443', 'Proxy-Authorization', CREDENTIALS] },
    ])
  })

  test('http: absolute form, the credentials beside the fields of the workload', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, hosts, { credentials: 'user%20name:p%40ss%3Aword@' })
    const response = await get('http://plain.test/x?y', {
      proxy: bed.proxy,
      headers: { 'Proxy-Authorization': 'Basic bWluZQ==', 'X-A': 'b' },
    })
    assert.equal(json(response)['url'], '/x?y')
    const [request] = proxy.requests
    assert.equal(request?.line, 'GET http://plain.test:80/x?y')
    assert.deepEqual(request?.fields.slice(0, 6), [
      'Host',
      'plain.test',
      'X-A',
      'b',
      'Proxy-Authorization',
      CREDENTIALS,
    ])
  })

  test('without credentials none are sent', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, hosts)
    await get('https://api.test/', bed)
    await get('http://plain.test/', bed)
    assert.ok(proxy.requests.every(({ fields }) => !fields.includes('Proxy-Authorization')))
  })

  test('HTTP/2 and its trailers pass the tunnel', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, { 'api.test': { handler: withTrailers } })
    const session = await http2Session('https://api.test', bed)
    const response = await http2Request(session, { ':path': '/' })
    assert.deepEqual([response.body.toString(), response.trailers['x-sum']], ['2.0', '42'])
    assert.equal(proxy.requests.length, 1)
    session.close()
  })

  test('a WebSocket passes the tunnel', async (t) => {
    const { bed } = await bedBehindProxy(t, hosts)
    const server = playWebSocket(bed.server('api.test').server)
    const client = await openWebSocket(bed, 'wss://api.test/')
    const peer = await server.next()
    client.socket.send('hi')
    assert.equal((await peer.ear.next()).data, 'hi')
    client.socket.terminate()
  })

  test('over TLS itself: its certificate is checked before it gets the credentials', async (t) => {
    const { bed } = await bedBehindProxy(t, hosts)
    for (const [name, status] of [
      ['127.0.0.1', 200],
      ['127.0.0.2', 502],
    ] as const) {
      const proxy = await startProxy(t, bed.internet.connectTo, bed.internet.authority.issue(name))
      await bed.reload({ upstream: { connect_to: {}, proxy: `https://user:pass@${proxy.address}` } })
      assert.equal((await get('https://api.test/', bed)).status, status)
      assert.equal((await get('http://plain.test/', bed)).status, status)
      assert.deepEqual(
        proxy.requests.map(({ line }) => line),
        status === 200 ? ['CONNECT api.test:443', 'GET http://plain.test:80/'] : [],
      )
    }
  })

  test('a wrong certificate is refused through it as well', async (t) => {
    const { bed } = await bedBehindProxy(t, { 'api.test': { certificate: 'wrong-name' } })
    bed.denied(await get('https://api.test/', bed), {
      status: 502,
      code: 'upstream_tls',
      host: 'api.test',
      blocked: false,
    })
  })

  test('an address that is forbidden is not asked of it', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, hosts)
    bed.denied(await get('https://10.0.0.1/', bed), { status: 403, code: 'address_forbidden', host: '10.0.0.1' })
    assert.deepEqual(proxy.requests, [])
  })

  test('what connect_to names goes there directly', async (t) => {
    const { bed, proxy } = await bedBehindProxy(t, hosts)
    await bed.reload({
      upstream: {
        connect_to: { 'api.test:443': bed.internet.connectTo['api.test:443'] },
        proxy: `http://${proxy.address}`,
      },
    })
    assert.equal((await get('https://api.test/', bed)).status, 200)
    assert.deepEqual(proxy.requests, [])
  })
})

describe('a proxy that does not', () => {
  const failures: Readonly<Record<string, ServerOptions['onConnection']>> = {
    'refuses the tunnel': (socket) =>
      void socket.once('data', () =>
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'),
      ),
    'answers garbage': (socket) => void socket.once('data', () => socket.end('220 mail.example ESMTP\r\n\r\n')),
    'never ends its head': (socket) =>
      void socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}`)),
    'hangs up': (socket) => void socket.once('data', () => socket.end()),
    'resets the connection': (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  }
  for (const [what, onConnection] of Object.entries(failures)) {
    test(`${what}: 502, and what it said is not repeated`, async (t) => {
      const bed = await startBed(t, {
        hosts: {
          'proxy.test': { kind: 'tcp', onConnection: (socket) => onConnection?.(socket.on('error', () => {})) },
        },
        config: { domains: { list: ['api.test'] } },
      })
      await bed.reload({ upstream: { connect_to: {}, proxy: `http://127.0.0.1:${bed.server('proxy.test').port}` } })
      bed.denied(await get('https://api.test/', bed), {
        status: 502,
        code: 'upstream_unreachable',
        host: 'api.test',
        reason: 'the upstream proxy gave no tunnel to api.test:443',
        blocked: false,
      })
    })
  }

  for (const method of ['GET', 'HEAD']) {
    test(`wants other credentials for ${method} by plain http: 502, not its 407`, async (t) => {
      const answer =
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="corp"\r\nContent-Length: 6\r\n\r\nsecret'
      const bed = await startBed(t, {
        hosts: {
          'proxy.test': {
            kind: 'tcp',
            onConnection: (socket) => void socket.on('error', () => {}).once('data', () => socket.write(answer)),
          },
        },
        config: { domains: { list: ['plain.test'] } },
      })
      await bed.reload({ upstream: { connect_to: {}, proxy: `http://127.0.0.1:${bed.server('proxy.test').port}` } })
      const response = await get('http://plain.test/', { proxy: bed.proxy, method })
      assert.equal(response.status, 502)
      const [record] = bed.records
      assert.deepEqual(
        [record?.code, record?.reason],
        ['upstream_unreachable', 'the upstream proxy passed no request on to plain.test:80'],
      )
    })
  }

  test('is not there: 502', async (t) => {
    const bed = await startBed(t, {
      config: { domains: { list: ['api.test'] }, upstream: { proxy: 'http://127.0.0.1:1' } },
    })
    bed.denied(await get('https://api.test/', bed), {
      status: 502,
      code: 'upstream_unreachable',
      host: 'api.test',
      blocked: false,
    })
  })

  test('never answers: the workload may leave, and the egress ends without it', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'proxy.test': { kind: 'tcp', onConnection: (socket) => void socket.on('error', () => {}).resume() } },
      config: { domains: { list: ['api.test'] } },
    })
    const silent = bed.server('proxy.test')
    await bed.reload({ upstream: { connect_to: {}, proxy: `http://127.0.0.1:${silent.port}` } })
    const arrived = once(silent.server, 'connection')
    const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), { ca: bed.ca, servername: 'api.test' })
    secure.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await arrived
    secure.destroy()
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
  })
})

function withTrailers(...[request, response]: Parameters<NonNullable<ServerOptions['handler']>>): void {
  response.write(request.httpVersion)
  response.addTrailers({ 'x-sum': '42' })
  response.end()
}
