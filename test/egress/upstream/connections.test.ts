/**
 * Connections to an upstream are kept for the next request to the same origin, and to no other. One that died while it
 * was kept costs nothing where the request may be sent twice (RFC 9110 section 9.2.2), and is told where it may not.
 * HTTP/2 is spoken with an upstream when the client speaks it, on one session an origin.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { json } from '../../support/http-response.ts'
import { connectTunnel, get, http2Request, http2Session, rawRequest, tlsOver } from '../../support/proxy-client.ts'
import { startBed } from '../bed.ts'

describe('HTTP/1.1', () => {
  test('one connection serves client after client of an origin, and no other origin', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': {}, 'other.test': {} } })
    for (let count = 0; count < 5; count++) {
      await get('https://api.test/', bed)
      await get('https://other.test/', bed)
    }
    assert.deepEqual([bed.server('api.test').connections, bed.server('other.test').connections], [1, 1])
  })

  test('the same host on another port or by another scheme is another origin', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'plain.test': { kind: 'http' } },
      config: { domains: { list: ['plain.test'] } },
    })
    const other = await bed.internet.server('plain.test', { kind: 'http', port: 8080 })
    const secure = await bed.internet.server('plain.test')
    await bed.reload({})
    for (const url of ['http://plain.test/', 'http://plain.test:8080/', 'https://plain.test/']) await get(url, bed)
    assert.deepEqual([bed.server('plain.test').connections, other.connections, secure.connections], [1, 1, 1])
  })

  for (const method of ['GET', 'POST']) {
    test(`a kept connection that died: ${method === 'GET' ? 'GET is sent again' : 'POST is not'}`, async (t) => {
      let served = 0
      const bed = await startBed(t, {
        // Answers once on each connection and resets it when the next request comes: it was dead, the pool did not know.
        hosts: {
          'plain.test': {
            kind: 'tcp',
            onConnection: (socket) =>
              void socket
                .on('error', () => {})
                .once('data', () => {
                  served += 1
                  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
                  socket.once('data', () => socket.resetAndDestroy())
                }),
          },
        },
      })
      const request = { proxy: bed.proxy, method, ...(method === 'POST' ? { body: 'x' } : {}) }
      assert.equal((await get('http://plain.test/', request)).status, 200)
      const second = await get('http://plain.test/', request)
      if (method === 'GET') assert.deepEqual([second.status, served], [200, 2])
      else {
        bed.denied(second, { status: 502, code: 'upstream_unreachable', host: 'plain.test', blocked: false })
        assert.equal(served, 1)
      }
    })
  }

  test('a connection that the upstream closes is not used again', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response) => void response.setHeader('Connection', 'close').end('ok'),
        },
      },
    })
    for (let count = 0; count < 3; count++)
      assert.equal((await get('http://plain.test/', { proxy: bed.proxy, method: 'POST', body: 'x' })).status, 200)
    assert.equal(bed.server('plain.test').connections, 3)
  })

  test('many requests at once get connections of their own', async (t) => {
    const waiting: (() => void)[] = []
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response) => {
            waiting.push(() => response.end('ok'))
            if (waiting.length === 20) for (const go of waiting) go()
          },
        },
      },
    })
    const answers = await Promise.all(Array.from({ length: 20 }, () => get('http://plain.test/', bed)))
    assert.ok(answers.every(({ status }) => status === 200))
  })
})

describe('HTTP/2', () => {
  test('all clients of an origin share one session', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': {} } })
    const sessions = await Promise.all([http2Session('https://api.test', bed), http2Session('https://api.test', bed)])
    const answers = await Promise.all(
      sessions.flatMap((session) => [
        http2Request(session, { ':path': '/1' }),
        http2Request(session, { ':path': '/2' }),
      ]),
    )
    assert.ok(answers.every(({ status }) => status === 200))
    assert.equal(bed.server('api.test').connections, 1)
    for (const session of sessions) session.close()
  })

  test('a client of HTTP/1.1 gets HTTP/1.1', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': {} } })
    assert.equal(json(await get('https://api.test/', bed))['protocol'], 'http/1.1')
  })

  test('an upstream of HTTP/1.1 serves a client of HTTP/2, and is not asked again each time', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': { alpn: ['http/1.1'] } } })
    const session = await http2Session('https://api.test', bed)
    for (let count = 0; count < 3; count++) {
      const answer = await http2Request(session, { ':path': '/', ':method': 'POST' }, 'body')
      assert.deepEqual([json(answer)['protocol'], json(answer)['body']], ['http/1.1', 'body'])
    }
    // One to find out, one to speak on.
    assert.equal(bed.server('api.test').connections, 2)
    session.close()
  })

  test('trailers arrive', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'api.test': (_request, response) => {
          response.write('body')
          response.addTrailers({ 'x-sum': '42', 'x-more': ['a', 'b'] })
          response.end()
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    const { trailers, body } = await http2Request(session, { ':path': '/' })
    assert.deepEqual([body.toString(), trailers['x-sum']], ['body', '42'])
    session.close()
  })

  for (const how of ['goaway', 'close', 'destroy'] as const) {
    test(`a session that the upstream ends (${how}) is followed by another`, async (t) => {
      const bed = await startBed(t, { hosts: { 'api.test': {} } })
      const opened = once(bed.server('api.test').server, 'session')
      const session = await http2Session('https://api.test', bed)
      assert.equal((await http2Request(session, { ':path': '/' })).status, 200)
      const [upstream] = (await opened) as [ServerHttp2Session]
      const gone = once(upstream, 'close')
      if (how === 'goaway') upstream.goaway()
      else upstream[how]()
      if (how !== 'goaway') await gone
      // The egress hears of it in its own time; requests until then may fail, those after must not.
      let status = 0
      for (let attempt = 0; attempt < 50 && status !== 200; attempt++)
        status = (await http2Request(session, { ':path': '/' })).status
      assert.equal(status, 200)
      session.close()
    })
  }
})

describe('a reload of `upstream`', () => {
  test('a response that streams goes on, on the connection it has; the next request gets a new one', async (t) => {
    let more: (() => void) | undefined
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          streaming: (request, response) => {
            if (request.url === '/quick') return void response.end('quick')
            response.write('one ')
            more = () => response.end('two')
          },
        },
      },
    })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
    await once(socket, 'readable')
    await bed.reload({ upstream: { allow_addresses: ['10.0.0.0/8'] } })
    assert.equal((await get('http://plain.test/quick', bed)).body.toString(), 'quick')
    more?.()
    const { body } = await rawRequest(socket, '')
    assert.equal(body.toString(), 'one two')
    assert.equal(bed.server('plain.test').connections, 2)
    socket.destroy()
  })

  test('the same over HTTP/2', async (t) => {
    let more: (() => void) | undefined
    const bed = await startBed(t, {
      hosts: {
        'api.test': {
          streaming: (request, response) => {
            if (request.url === '/quick') return void response.end('quick')
            response.write('one ')
            more = () => response.end('two')
          },
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':path': '/' })
    let text = String(((await once(stream, 'data')) as [Buffer])[0])
    await bed.reload({ upstream: { allow_addresses: ['10.0.0.0/8'] } })
    assert.equal((await http2Request(session, { ':path': '/quick' })).body.toString(), 'quick')
    more?.()
    for await (const chunk of stream) text += String(chunk)
    assert.equal(text, 'one two')
    assert.equal(bed.server('api.test').connections, 2)
    session.destroy()
  })

  test('connections that wait idle are closed', async (t) => {
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http' } } })
    const arrived = once(bed.server('plain.test').server, 'connection')
    await get('http://plain.test/', bed)
    const [socket] = (await arrived) as [Socket]
    const closed = once(socket, 'close')
    await bed.reload({ upstream: { allow_addresses: ['10.0.0.0/8'] } })
    await closed
  })

  test('a reload of anything else keeps them', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': {} } })
    const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), {
      ca: bed.ca,
      servername: 'api.test',
      alpn: ['http/1.1'],
    })
    const request = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'
    await rawRequest(secure, request)
    await bed.reload({ max_request_body: 5 })
    await rawRequest(secure, request)
    assert.equal(bed.server('api.test').connections, 1)
    secure.destroy()
  })
})
