/**
 * An upstream that answers in ways that would pass unread, or never end: an unasked switch of protocols, a transfer
 * coding that is not `chunked`, silence while the client has long gone. Each is one record and leaves nothing open.
 */
import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { connectTunnel, http2Session, rawRequest } from '../../support/proxy-client.ts'
import { startBed } from '../bed.ts'

/** Answers whatever comes with these bytes. */
function answering(bytes: string | Buffer) {
  return {
    kind: 'tcp',
    onConnection: (socket: Socket) => void socket.on('error', () => {}).once('data', () => socket.write(bytes)),
  } as const
}

test('a switch of protocols that nobody asked for', async (t) => {
  const bed = await startBed(t, {
    hosts: { 'odd.test': answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n') },
  })
  const socket = await connectTunnel(bed.proxy, 'odd.test:80')
  const response = await rawRequest(socket, 'POST / HTTP/1.1\r\nHost: odd.test\r\nContent-Length: 4\r\n\r\nbody')
  bed.denied(response, { status: 502, code: 'upstream_protocol', host: 'odd.test', blocked: false })
  assert.equal(bed.records.length, 1)
  socket.destroy()
})

test('a body with another transfer coding, which would pass with the secret in it', async (t) => {
  const packed = gzipSync('the key is live-value-0123456789')
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'
  const chunked = Buffer.concat([
    Buffer.from(`${head}${packed.length.toString(16)}\r\n`),
    packed,
    Buffer.from('\r\n0\r\n\r\n'),
  ])
  const bed = await startBed(t, { hosts: { 'odd.test': answering(chunked) } })
  const socket = await connectTunnel(bed.proxy, 'odd.test:80')
  const response = await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: odd.test\r\n\r\n')
  bed.denied(response, { status: 502, code: 'upstream_protocol', host: 'odd.test', blocked: false })
  socket.destroy()
})

test('a stream that is reset while its first connection is being made does not end the egress', async (t) => {
  const silent = createServer((socket) => void socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  t.after(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const bed = await startBed(t, {
    hosts: { 'fine.test': (_request, response) => void response.end('fine') },
    config: { domains: { list: ['slow.test', 'fine.test'] } },
    change: (config) => ({
      ...config,
      upstream: {
        ...config.upstream,
        connect_to: { ...config.upstream.connect_to, 'slow.test:443': `127.0.0.1:${port}` },
      },
    }),
  })
  for (const host of ['slow.test', 'fine.test']) {
    const session = await http2Session(`https://${host}`, bed)
    for (let count = 0; count < 20; count++) {
      const stream = session.request({ ':path': `/${count}` })
      stream.on('error', () => {})
      setImmediate(() => stream.close(8))
      await once(stream, 'close')
    }
    session.destroy()
  }
  const session = await http2Session('https://fine.test', bed)
  const stream = session.request({ ':path': '/' })
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
  assert.equal(headers[':status'], 200)
  session.destroy()
})
