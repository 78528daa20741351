/**
 * A call settles once, whatever happens to it: it is answered, or it fails, or it is given up, wherever it is then. A body
 * is there at once or a stream, which waits for its reader; one that is not whole never looks as if it were.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { fuzz, mutate } from '../../../support/fuzz.ts'
import {
  closedOf,
  get,
  isDenial,
  OK,
  onRequests,
  requestTo,
  startUpstream,
  textOf,
  type UpstreamServer,
} from './upstream-server.ts'

describe('a call that is given up', () => {
  test('while it waits: it is never sent', async (t) => {
    let served = 0
    const up = await startUpstream(
      t,
      (socket) =>
        onRequests(socket, () => {
          served += 1
          setImmediate(() => socket.write(OK))
        }),
      { open: 1 },
    )
    const calls = [get(up), get(up), get(up)] as const
    calls[1].cancel()
    await assert.rejects(calls[1].response, isDenial('client_aborted'))
    await Promise.all([calls[0], calls[2]].map(async ({ response }) => textOf(await response)))
    assert.equal(served, 2)
  })

  test('before the answer, and in the middle of it: the connection ends, and another takes its place', async (t) => {
    for (const bytes of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf']) {
      const up = await startUpstream(
        t,
        (socket, index) => onRequests(socket, () => socket.write(index === 0 ? bytes : OK)),
        { open: 1 },
      )
      const first = get(up)
      const second = get(up)
      if (bytes !== '') assert.equal((await first.response).status, 200)
      else await connected(up)
      first.cancel()
      if (bytes === '') await assert.rejects(first.response, isDenial('client_aborted'))
      else await assert.rejects(textOf(await first.response))
      assert.equal(await textOf(await second.response), 'ok')
    }
  })

  test('after the answer: the connection stays, though another request is on it', async (t) => {
    const up = await startUpstream(t, (socket) => onRequests(socket, () => setImmediate(() => socket.write(OK))), {
      open: 1,
    })
    const first = get(up)
    const second = get(up)
    await first.response
    first.cancel()
    assert.equal(await textOf(await second.response), 'ok')
    assert.equal(up.sockets.length, 1)
  })

  test('because its answer does not begin, or its turn does not come', async (t) => {
    const up = await startUpstream(t, (socket) => void socket.resume(), { open: 1, headMilliseconds: 5 })
    const calls = [get(up), get(up)]
    for (const { response } of calls) await assert.rejects(response, isDenial('upstream_timeout'))
    await closedOf(up, 0)
  })
})

describe('a body', () => {
  test('that comes in pieces is a stream, with what came along with the head', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
        setTimeout(() => socket.write('3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n'), 5)
      }),
    )
    const response = await get(up).response
    assert.equal(response.whole, undefined)
    assert.equal(await textOf(response), 'onetwo')
    assert.deepEqual(response.trailers(), ['X-Sum', '6'])
  })

  test('in thousands of chunks of one byte travels on in pieces as large as they came', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        socket.write(`${'1\r\na\r\n'.repeat(20_000)}0\r\n\r\n`)
      }),
    )
    const response = await get(up).response
    let [pieces, bytes] = [0, 0]
    if (response.whole === undefined) {
      for await (const piece of response.body as AsyncIterable<Buffer>) {
        pieces += 1
        bytes += piece.length
      }
    } else bytes = response.whole.length
    assert.equal(bytes, 20_000)
    assert.ok(pieces < 1000, `${pieces} pieces`)
  })

  test('that nobody reads does not come', async (t) => {
    const block = Buffer.alloc(1 << 20)
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${200 * block.length}\r\n\r\n`)
        for (let count = 0; count < 200; count++) socket.write(block)
      }),
    )
    const { response, cancel } = get(up)
    assert.equal((await response).status, 200)
    const [socket] = up.sockets as [Socket]
    let before = -1
    // Until the kernel's buffers are full, and nothing moves any more.
    while (socket.writableLength !== before) {
      before = socket.writableLength
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.ok(socket.writableLength > 100 * block.length, `${socket.writableLength} bytes are left`)
    cancel()
    await closedOf(up, 0)
  })

  test('that breaks off ends with an error', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')),
    )
    await assert.rejects(textOf(await get(up).response))
  })

  test('that turns out to be malformed ends with an error', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
        setTimeout(() => socket.write('x'), 5)
      }),
    )
    await assert.rejects(textOf(await get(up).response))
  })
})

describe('another protocol', () => {
  test('begins with what came along with 101', async (t) => {
    const up = await startUpstream(t, (socket) =>
      onRequests(socket, () =>
        socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nfirst '),
      ),
    )
    const { socket, head } = await up.pool.upgrade(requestTo(up.origin)).answer
    assert.ok(socket !== undefined && head !== undefined)
    socket.unshift(head)
    up.sockets[0]?.end('second')
    let text = ''
    for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString()
    assert.equal(text, 'first second')
  })

  test('that the server does not want leaves an ordinary connection', async (t) => {
    const up = await startUpstream(t, (socket) => onRequests(socket, () => socket.write(OK)))
    const { response, socket } = await up.pool.upgrade(requestTo(up.origin)).answer
    assert.deepEqual([await textOf(response), socket], ['ok', undefined])
    assert.equal(await textOf(await get(up).response), 'ok')
    assert.equal(up.sockets.length, 1)
  })
})

test('whatever a server sends, each call settles, and the next one gets its own answer', async (t) => {
  const corpus = [
    OK,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Y: z\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end',
    'HTTP/1.1 304 Not Modified\r\nKeep-Alive: timeout=5\r\n\r\n',
  ].map((text) => Buffer.from(text))
  let next: readonly Buffer[] = []
  const up = await startUpstream(t, (socket) =>
    onRequests(socket, () => {
      const [first = Buffer.alloc(0), ...rest] = next
      socket.write(first)
      setImmediate(() => {
        for (const piece of rest) socket.write(piece)
        socket.end()
      })
    }),
  )
  await fuzz(t, { runs: 200 }, async (random) => {
    next = random.chunks(mutate(random, random.pick(corpus), { corpus }))
    const settled = await get(up)
      .response.then(textOf)
      .then(
        () => 'answered',
        (error: unknown) => (error instanceof Error ? 'failed' : 'odd'),
      )
    assert.notEqual(settled, 'odd')
    const mark = String(random.integer(1000, 9999))
    next = [Buffer.from(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n${mark}`)]
    assert.equal(await textOf(await get(up).response), mark)
  })
})

async function connected(up: UpstreamServer): Promise<void> {
  while (up.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
}
