/**
 * One HTTP/1.1 connection carries many requests, answered in their order. Whatever a client does between them, what it
 * was told so far stays true: nothing of ours is written into a response that is under way, and the egress stays up.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { header, json } from '../../support/http-response.ts'
import { connectTcp, connectTunnel, rawRequest } from '../../support/proxy-client.ts'
import { startBed } from '../bed.ts'

const hosts = { 'plain.test': { kind: 'http' } } as const
const request = (path: string, extra = ''): string => `GET ${path} HTTP/1.1\r\nHost: plain.test\r\n${extra}\r\n`
const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

describe('keep-alive', () => {
  test('requests one after the other share the connections on both sides', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    for (const path of ['/1', '/2', '/3']) assert.equal(json(await rawRequest(socket, request(path)))['url'], path)
    assert.equal(bed.server('plain.test').connections, 1)
    assert.equal(bed.records.length, 3)
  })

  test('a client that wants to close is closed, as is one that speaks HTTP/1.0', async (t) => {
    const bed = await startBed(t, { hosts })
    for (const bytes of [request('/', 'Connection: close\r\n'), 'GET / HTTP/1.0\r\nHost: plain.test\r\n\r\n']) {
      const socket = await connectTunnel(bed.proxy, 'plain.test:80')
      const closed = once(socket, 'end')
      assert.equal((await rawRequest(socket, bytes)).status, 200)
      socket.resume()
      await closed
    }
  })

  test('pipelined requests are answered in their order', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(request('/1') + 'GET http://evil.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n' + request('/3'))
    const answers = []
    for (let count = 0; count < 3; count++) answers.push(await rawRequest(socket, ''))
    assert.deepEqual(
      [json(answers[0] as never)['url'], answers[1]?.status, json(answers[2] as never)['url']],
      ['/1', 403, '/3'],
    )
  })
})

describe('while a response is under way', () => {
  test('an upgrade ends the connection, not the egress', async (t) => {
    const { bed, socket } = await streaming(t)
    const rest = everything(socket)
    socket.write(request('/ws', UPGRADE))
    assert.doesNotMatch(await rest, /HTTP\/1\.1/)
    await refusedOnce(bed, 'an upgrade behind a request that is not answered')
  })

  test('CONNECT ends the connection, not the egress', async (t) => {
    const { bed, socket } = await streaming(t, true)
    const rest = everything(socket)
    socket.write('CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test:80\r\n\r\n')
    assert.doesNotMatch(await rest, /HTTP\/1\.1/)
    await refusedOnce(bed, 'CONNECT behind a request that is not answered')
  })

  test('nonsense ends the connection, and is not answered within the response', async (t) => {
    const { bed, socket } = await streaming(t)
    const rest = everything(socket)
    socket.write('NONSENSE\r\n\r\n')
    assert.equal(await rest, '')
    await refusedOnce(bed, 'malformed HTTP request')
  })

  test('no more than a few requests may wait behind it', async (t) => {
    const { bed, socket } = await streaming(t)
    const rest = everything(socket)
    socket.write(request('/').repeat(100))
    assert.equal(await rest, '')
    await refusedOnce(bed, 'too many pipelined requests')
    assert.ok(bed.records.length <= 33)
  })
})

test('a denial leaves the connection usable', async (t) => {
  const bed = await startBed(t, { hosts, config: { domains: { list: [{ host: 'plain.test', paths: ['/open'] }] } } })
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  const [denied, allowed] = [await rawRequest(socket, request('/shut')), await rawRequest(socket, request('/open'))]
  assert.deepEqual([denied.status, allowed.status], [403, 200])
})

test('a client that sends a whole body nobody wants still sees the answer', async (t) => {
  const bed = await startBed(t, { hosts, config: { max_request_body: 1000 } })
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  socket.on('error', () => {})
  socket.write('POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 20000000\r\n\r\n')
  // All is sent before the answer is looked at, as simple clients do.
  await new Promise<void>((resolve) => socket.write(Buffer.alloc(20_000_000), () => resolve()))
  const response = await rawRequest(socket, '')
  assert.equal(response.status, 413)
  assert.equal(header(response, 'Connection'), 'close')
})

test('a head that comes byte by byte is read', async (t) => {
  const bed = await startBed(t, { hosts })
  const socket = await connectTcp(bed.proxy)
  socket.setNoDelay(true)
  for (const byte of 'GET http://plain.test/slow HTTP/1.1\r\nHost: plain.test\r\n\r') {
    await new Promise((resolve) => socket.write(byte, resolve))
  }
  assert.equal(json(await rawRequest(socket, '\n'))['url'], '/slow')
})

/** A client that has the beginning of a response that does not end. */
async function streaming(t: TestContext, absolute = false) {
  const bed = await startBed(t, {
    hosts: { 'plain.test': { kind: 'http', streaming: (_request, response) => response.write('x') } },
  })
  const socket = absolute ? await connectTcp(bed.proxy) : await connectTunnel(bed.proxy, 'plain.test:80')
  socket.write(absolute ? 'GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n' : request('/'))
  let seen = ''
  while (!seen.endsWith('1\r\nx\r\n')) seen += String(((await once(socket, 'data')) as [Buffer])[0])
  return { bed, socket }
}

async function everything(socket: Socket): Promise<string> {
  let seen = ''
  socket.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')))
  socket.on('error', () => {})
  await once(socket, 'close')
  return seen
}

/** The refusal has a record, the response that was under way another, and the egress serves on. */
async function refusedOnce(bed: Awaited<ReturnType<typeof startBed>>, reason: string): Promise<void> {
  const refusal = await bed.record((record) => record.reason === reason)
  assert.deepEqual([refusal.decision, refusal.code], ['blocked', 'bad_request'])
  await bed.record(({ code }) => code === 'client_aborted')
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  socket.write(request('/'))
  await once(socket, 'data')
  socket.destroy()
}
