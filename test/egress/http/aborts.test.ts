/**
 * Either side may go away at any time. A client never takes half a response for a whole one; an upstream is not kept
 * busy for a client that is gone; each exchange still leaves exactly one record, which says who went away.
 */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { connectTunnel, http2Session, rawRequest, tlsOver } from '../../support/proxy-client.ts'
import type { ServerOptions } from '../../support/internet.ts'
import { startBed, type Bed } from '../bed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n'

describe('the upstream goes away in the middle of its response', () => {
  const heads: Readonly<Record<string, string>> = {
    'with a length': 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf',
    'in chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'in the middle of a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf',
  }
  for (const [what, head] of Object.entries(heads)) {
    for (const secrets of [false, true]) {
      test(`${what}, ${secrets ? 'redacted' : 'as it is'}: the client gets an incomplete response`, async (t) => {
        const bed = await startBed(t, { hosts: { 'plain.test': speaking(head) }, ...(secrets ? WITH_SECRET : {}) })
        const socket = await connectTunnel(bed.proxy, 'plain.test:80')
        await assert.rejects(rawRequest(socket, GET), /ended/)
        const record = await bed.record(() => true)
        assert.deepEqual([record.code, record.decision, record.status], ['upstream_aborted', 'allowed', 200])
      })
    }
  }

  test('a short response that breaks off before anything was passed on becomes a 502', async (t) => {
    const options = {
      hosts: { 'plain.test': speaking('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf') },
      ...WITH_SECRET,
    }
    const bed = await startBed(t, options)
    const response = await rawRequest(await connectTunnel(bed.proxy, 'plain.test:80'), GET)
    bed.denied(response, { status: 502, code: 'upstream_aborted', host: 'plain.test', blocked: false })
  })

  test('HTTP/2: the stream is reset, whether the upstream resets it or its connection ends', async (t) => {
    for (const goAway of [(stream: http2.ServerHttp2Stream) => stream.session?.socket.destroy(), reset]) {
      const bed = await startBed(t, { hosts: { 'api.test': {} } })
      onStream(bed, (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('half', () => goAway(stream))
      })
      const { error, body } = await http2Outcome(bed)
      assert.deepEqual([body, error?.code], ['half', 'ERR_HTTP2_STREAM_ERROR'])
      assert.equal((await bed.record(() => true)).code, 'upstream_aborted')
    }
  })

  function reset(stream: http2.ServerHttp2Stream): void {
    stream.destroy(new Error('gone'))
  }
})

describe('the upstream never answers', () => {
  test('it closes the connection: 502', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'plain.test': { kind: 'tcp', onConnection: (socket) => socket.once('data', () => socket.end()) } },
    })
    const response = await rawRequest(await connectTunnel(bed.proxy, 'plain.test:80'), GET)
    bed.denied(response, { status: 502, code: 'upstream_unreachable', host: 'plain.test', blocked: false })
  })

  const garbage: Readonly<Record<string, string>> = {
    'another protocol': 'SSH-2.0-OpenSSH_9.9\r\n',
    'a length and a transfer coding':
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'a field with NUL': 'HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n',
    'a head without end': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(100_000)}`,
  }
  for (const [what, bytes] of Object.entries(garbage)) {
    test(`it answers with ${what}: 502`, async (t) => {
      const bed = await startBed(t, { hosts: { 'plain.test': speaking(bytes) } })
      const response = await rawRequest(await connectTunnel(bed.proxy, 'plain.test:80'), GET)
      bed.denied(response, { status: 502, code: 'upstream_protocol', host: 'plain.test', blocked: false })
    })
  }

  test('nobody listens: 502', async (t) => {
    const bed = await startBed(t, {
      config: { domains: { list: ['nobody.test'] }, upstream: { connect_to: { 'nobody.test:80': '127.0.0.1:1' } } },
    })
    const response = await rawRequest(await connectTunnel(bed.proxy, 'nobody.test:80'), GET.replace('plain', 'nobody'))
    bed.denied(response, { status: 502, code: 'upstream_unreachable', host: 'nobody.test', blocked: false })
  })
})

describe('the client goes away', () => {
  test('in the middle of its body: nothing is sent', async (t) => {
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http' } } })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write('POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy())
    const record = await bed.record(() => true)
    assert.deepEqual([record.code, record.decision, record.url], ['client_aborted', 'allowed', 'http://plain.test/'])
    bed.nothingLeft()
  })

  test('before the answer: the upstream request ends', async (t) => {
    const { server, arrivals } = silent()
    const bed = await startBed(t, { hosts: { 'plain.test': server } })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const upstream = once(arrivals, 'connection')
    socket.write(GET)
    const [connection] = (await upstream) as [Socket]
    socket.destroy()
    await once(connection, 'close')
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
  })

  test('in the middle of the answer: the upstream request ends', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'plain.test': { kind: 'http', streaming: (_request, response) => response.write('half') } },
    })
    const closed = new Promise((resolve) =>
      bed.server('plain.test').server.once('connection', (socket: Socket) => socket.once('close', resolve)),
    )
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(GET)
    await once(socket, 'data')
    socket.destroy()
    await closed
    const record = await bed.record(() => true)
    assert.deepEqual([record.code, record.status, record.bytes_in], ['client_aborted', 200, 4])
  })

  test('HTTP/2: it resets the stream, and the upstream stream is reset', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': {} } })
    const upstreamClosed = new Promise<number | undefined>((resolve) =>
      onStream(bed, (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('half')
        stream.once('close', () => resolve(stream.rstCode))
      }),
    )
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':path': '/' })
    await once(stream, 'data')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    assert.equal(await upstreamClosed, http2.constants.NGHTTP2_CANCEL)
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
    session.destroy()
  })

  test('while the connection to the upstream is being made', async (t) => {
    const { server, arrivals } = silent()
    const bed = await startBed(t, { hosts: { 'api.test': { ...server, port: 443 } } })
    const arrived = once(arrivals, 'connection')
    const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), { ca: bed.ca, servername: 'api.test' })
    secure.write(GET.replace('plain', 'api'))
    await arrived
    secure.destroy()
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
  })

  test('with requests in the pipeline: each leaves a record', async (t) => {
    const { server, arrivals } = silent()
    const bed = await startBed(t, { hosts: { 'plain.test': server } })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(GET.replace('/', '/1') + GET.replace('/', '/2'))
    await once(arrivals, 'connection')
    socket.destroy()
    for (const path of ['/1', '/2'])
      assert.equal((await bed.record((record) => record.path === path)).code, 'client_aborted')
    assert.equal(bed.records.length, 2)
  })
})

const WITH_SECRET = {
  config: { secret_injection: [{ env: 'KEY', inject_to: ['http://plain.test'] }] },
  secrets: { KEY: 'a-secret-value-of-some-length' },
} as const

/** A server that says `bytes` to the first request, and goes away. */
function speaking(bytes: string): ServerOptions {
  return {
    kind: 'tcp',
    onConnection: (socket) => socket.on('error', () => {}).once('data', () => socket.end(bytes, 'latin1')),
  }
}

/** A server that takes connections and says nothing; `arrivals` emits each as 'connection'. */
function silent() {
  const arrivals = new EventEmitter()
  const onConnection = (socket: Socket): void => {
    socket.on('error', () => {}).resume()
    arrivals.emit('connection', socket)
  }
  return { server: { kind: 'tcp', onConnection } as const, arrivals }
}

/** Streams that arrive at api.test go to `serve`. */
function onStream(bed: Bed, serve: (stream: http2.ServerHttp2Stream) => void): void {
  const { server } = bed.server('api.test')
  server.removeAllListeners('request')
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {})
    serve(stream)
  })
}

interface Http2Outcome {
  readonly body: string
  readonly error: NodeJS.ErrnoException | undefined
}

async function http2Outcome(bed: Bed): Promise<Http2Outcome> {
  const session = await http2Session('https://api.test', bed)
  const stream = session.request({ ':path': '/' })
  let body = ''
  let error: NodeJS.ErrnoException | undefined
  stream.on('data', (chunk: Buffer) => (body += chunk.toString()))
  stream.on('error', (problem: NodeJS.ErrnoException) => (error = problem))
  await once(stream, 'close').catch(() => {})
  session.destroy()
  return { body, error }
}
