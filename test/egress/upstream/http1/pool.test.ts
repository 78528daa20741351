/**
 * Connections that are kept: each carries one request at a time, is used again only when nothing on it can be taken for
 * the answer to another request, and is never more than there may be.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { UpstreamCall } from '../../../../src/egress/upstream/upstream.ts'
import {
  closedOf,
  get,
  isDenial,
  OK,
  onRequests,
  poolFor,
  requestTo,
  startUpstream,
  textOf,
} from './upstream-server.ts'

describe('a connection is used again', () => {
  test('by the next request, whatever the method', async (t) => {
    const up = await startUpstream(t, (socket) => onRequests(socket, () => socket.write(OK)))
    for (const method of ['GET', 'POST', 'GET']) {
      const { pool, origin } = up
      const response = await pool.send(requestTo(origin, method, method === 'POST' ? 'x'.repeat(100_000) : '')).response
      assert.equal(await textOf(response), 'ok')
    }
    assert.equal(up.sockets.length, 1)
  })

  const never: Readonly<Record<string, string>> = {
    'that the server closes': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    'of HTTP/1.0': 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
    'that the server keeps for no time':
      'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 2\r\n\r\nok',
    'on which something follows the response': `${OK}${OK.replace('ok', 'no')}`,
    'on which part of something follows': `${OK}H`,
  }
  for (const [what, bytes] of Object.entries(never)) {
    test(`but not one ${what}`, async (t) => {
      const up = await startUpstream(t, (socket) => onRequests(socket, () => socket.write(bytes)))
      for (let count = 0; count < 3; count++) assert.equal(await textOf(await get(up).response), 'ok')
      assert.equal(up.sockets.length, 3)
    })
  }

  test('but not one on which something came unasked', async (t) => {
    const up = await startUpstream(t, (socket, index) =>
      onRequests(socket, () => socket.write(OK.replace('ok', `${index}!`))),
    )
    assert.equal(await textOf(await get(up).response), '0!')
    const [socket] = up.sockets as [Socket]
    const closed = once(socket, 'close')
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
    await closed
    assert.equal(await textOf(await get(up).response), '1!')
  })

  test('attack: the body of a 205 is not the answer to the next request', async (t) => {
    const poison = OK.replace('ok', 'no')
    const up = await startUpstream(t, (socket, index) => {
      let count = 0
      onRequests(socket, () => {
        if (index > 0) return void socket.write(OK)
        const head = `HTTP/1.1 205 Reset Content\r\nContent-Length: ${poison.length}\r\n\r\n`
        socket.write(count++ === 0 ? head : poison)
      })
    })
    const first = await get(up).response
    assert.equal(first.status, 205)
    assert.equal(await textOf(await get(up).response), 'ok')
    up.sockets[0]?.write(poison)
    assert.equal(await textOf(first), poison)
  })

  test('but not one on which the request had not left when the answer came', async (t) => {
    const up = await startUpstream(t, (socket) => {
      socket.write(OK)
      socket.pause()
    })
    const { response } = up.pool.send(requestTo(up.origin, 'PUT', 'x'.repeat(20_000_000)))
    assert.equal(await textOf(await response), 'ok')
    await closedOf(up, 0)
  })

  test('while it is not idle for too long', async (t) => {
    const up = await startUpstream(t, (socket) => onRequests(socket, () => socket.write(OK)), { idleMilliseconds: 5 })
    await textOf(await get(up).response)
    await closedOf(up, 0)
  })
})

describe('a connection that died while it was kept', () => {
  test('a request that must not be sent twice is not sent on one whose end has arrived', async (t) => {
    const signal = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(CLOSING_SERVER, { eval: true, workerData: signal })
    t.after(() => worker.terminate())
    const [port] = (await once(worker, 'message')) as [number]
    const { pool, origin } = poolFor(port)
    const post = (): UpstreamCall => pool.send(requestTo(origin, 'POST', 'x'))
    assert.equal(await textOf(await post().response), 'ok')
    worker.postMessage('close')
    // This thread sees nothing meanwhile, so that the end of the connection is there, and not yet known.
    Atomics.wait(signal, 0, 0)
    Atomics.wait(signal, 0, 1, 200)
    assert.equal(await textOf(await post().response), 'ok')
    pool.close()
  })

  test('a request that must not be sent twice does not follow a response that the server closes behind', async (t) => {
    const up = await startUpstream(t, (socket) => onRequests(socket, () => socket.end(OK)), { open: 1 })
    const answers = Array.from({ length: 10 }, async () =>
      textOf(await up.pool.send(requestTo(up.origin, 'POST', 'x')).response),
    )
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(['ok']))
    assert.equal(up.sockets.length, 10)
  })

  test('is tried again once, on a new one', async (t) => {
    const up = await startUpstream(t, (socket, index) =>
      onRequests(socket, (count) => void (count === 1 && index === 0 ? socket.write(OK) : socket.resetAndDestroy())),
    )
    await textOf(await get(up).response)
    await assert.rejects(get(up).response, isDenial('upstream_unreachable'))
    assert.equal(up.sockets.length, 2)
  })

  test('is not tried again when part of an answer came', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(
        socket,
        (count) => void (count === 1 ? socket.write(OK) : socket.end('HTTP/1.1 102 Processing\r\n\r\nHTT')),
      ),
    )
    await textOf(await get(up).response)
    await assert.rejects(get(up).response, isDenial('upstream_unreachable'))
    assert.equal(up.sockets.length, 1)
  })
})

describe('many requests at once', () => {
  test('wait for one of the connections that there may be', async (t) => {
    const limits = { open: 5, dialling: 2 }
    const up = await startUpstream(
      t,
      (socket) => onRequests(socket, () => setImmediate(() => socket.write(OK))),
      limits,
    )
    const answers = await Promise.all(Array.from({ length: 400 }, async () => textOf(await get(up).response)))
    assert.deepEqual([new Set(answers), answers.length], [new Set(['ok']), 400])
    assert.ok(up.mostOpen() <= 5, `${up.mostOpen()} connections`)
  })

  test('get all the connections that there may be where none is answered before', async (t) => {
    const waiting: Socket[] = []
    const up = await startUpstream(
      t,
      (socket) =>
        onRequests(socket, () => {
          waiting.push(socket)
          if (waiting.length >= 40) for (const each of waiting.splice(0)) each.write(OK)
        }),
      { open: 40, dialling: 3 },
    )
    await Promise.all(Array.from({ length: 80 }, async () => textOf(await get(up).response)))
    assert.equal(up.sockets.length, 40)
  })

  test('fail, with the reason, where those before them are never answered and nothing becomes free', async (t) => {
    const up = await startUpstream(t, (socket) => void socket.resume(), { open: 2, queueMilliseconds: 5 })
    const unanswered = [get(up), get(up)]
    const late = get(up)
    await assert.rejects(late.response, {
      code: 'upstream_timeout',
      message: /^all 2 connections to 127\.0\.0\.1:\d+ are in use, and none became free in time$/,
    })
    // Those that have one go on.
    assert.equal(up.open(), 2)
    up.sockets[0]?.write(OK)
    assert.equal(await textOf(await (unanswered[0] as UpstreamCall).response), 'ok')
    for (const { response, cancel } of unanswered) {
      cancel()
      response.catch(() => {})
    }
  })

  test('all fail as soon as it is known that nobody listens', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    server.close()
    await once(server, 'close')
    const { pool, origin } = poolFor(port, { dialling: 2 })
    const calls = Array.from({ length: 100 }, () => pool.send(requestTo(origin)).response)
    for (const call of calls) await assert.rejects(call, isDenial('upstream_unreachable'))
  })
})

/** Answers the first request of each connection, and ends the connection when it is told to. */
const CLOSING_SERVER = `
const { parentPort, workerData } = require('node:worker_threads')
const sockets = []
const server = require('node:net').createServer((socket) => {
  sockets.push(socket)
  socket.on('error', () => {}).once('data', () => socket.write(${JSON.stringify(OK)}))
})
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
parentPort.on('message', () => {
  sockets[0].end(() => {
    Atomics.store(workerData, 0, 1)
    Atomics.notify(workerData, 0)
  })
})`
