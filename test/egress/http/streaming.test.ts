/**
 * Responses are streamed: each piece goes on as it arrives, redacted or not, and a side that does not read holds the
 * other back. Shown by events, not by time: a server sends the next piece only once the client has told it, by another
 * way, that the last one arrived; and a server that may send without end is stopped by a client that does not read.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { connectTunnel, http2Session, rawRequest, tlsOver } from '../../support/proxy-client.ts'
import type { ServerOptions } from '../../support/internet.ts'
import { startBed, type BedOptions } from '../bed.ts'

const REQUEST = 'GET /events HTTP/1.1\r\nHost: plain.test\r\nAccept: text/event-stream\r\n\r\n'
const EVENTS = 20

/** Sends an event each time `next` is called, and ends after the last. */
function eventSource(encoding?: 'flushed') {
  let response: ServerResponse | undefined
  let sent = 0
  const options: ServerOptions['streaming'] = (_request, answer) => {
    response = answer
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    if (encoding === 'flushed') answer.flushHeaders?.()
    else next()
  }
  function next(): void {
    if (sent === EVENTS) response?.end()
    else response?.write(`data: ${sent++}\n\n`)
  }
  return { streaming: options, next }
}

const secret: Pick<BedOptions, 'config' | 'secrets'> = {
  // The value begins as each event does, so that the redactor has a reason to hold something back.
  config: { secret_injection: [{ env: 'KEY', inject_to: ['http://plain.test', 'api.test'] }] },
  secrets: { KEY: 'data-value-of-a-secret' },
}

describe('server-sent events arrive one by one', () => {
  for (const [what, extra] of [
    ['as they are', {}],
    ['redacted', secret],
  ] as const) {
    test(`HTTP/1.1, ${what}`, async (t) => {
      const source = eventSource()
      const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', ...source } }, ...extra })
      const socket = await connectTunnel(bed.proxy, 'plain.test:80')
      socket.write(REQUEST)
      let text = ''
      for (let event = 0; event < EVENTS; event++) {
        while (!text.includes(`data: ${event}\n\n`)) text += String(((await once(socket, 'data')) as [Buffer])[0])
        source.next()
      }
      while (!text.endsWith('0\r\n\r\n')) text += String(((await once(socket, 'data')) as [Buffer])[0])
      assert.equal(bed.records.length, 1)
      socket.destroy()
    })

    test(`HTTP/2 on both sides, ${what}`, async (t) => {
      const source = eventSource()
      const bed = await startBed(t, { hosts: { 'api.test': source }, ...extra })
      const session = await http2Session('https://api.test', bed)
      const stream = session.request({ ':path': '/events' })
      let text = ''
      for (let event = 0; event < EVENTS; event++) {
        while (!text.includes(`data: ${event}\n\n`)) text += String(((await once(stream, 'data')) as [Buffer])[0])
        source.next()
      }
      await once(stream.resume(), 'end')
      session.close()
    })
  }

  test('the head arrives although no event does', async (t) => {
    const source = eventSource('flushed')
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', ...source } } })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(REQUEST)
    const [head] = (await once(socket, 'data')) as [Buffer]
    assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*\r\n$/)
    source.next()
    assert.match(String(((await once(socket, 'data')) as [Buffer])[0]), /data: 0/)
    socket.destroy()
  })

  test('a secret in an event is redacted, although it comes in two pieces', async (t) => {
    const pieces = ['data: data-value-', 'of-a-secret\n\n']
    let answer: ServerResponse | undefined
    const streaming: ServerOptions['streaming'] = (_request, response) => {
      answer = response
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(pieces[0])
    }
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', streaming } }, ...secret })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(REQUEST)
    let text = ''
    while (!text.includes('data: ')) text += String(((await once(socket, 'data')) as [Buffer])[0])
    answer?.end(pieces[1])
    while (!text.endsWith('0\r\n\r\n')) text += String(((await once(socket, 'data')) as [Buffer])[0])
    assert.match(text, /agentcage:secret:KEY:/)
    assert.doesNotMatch(text, /data-value|of-a-secret/)
  })
})

describe('a client that does not read', () => {
  /** A server that sends as long as it is let, at most `LIMIT` bytes, and tells how much it was let. */
  const LIMIT = 200_000_000
  function firehose() {
    const piece = Buffer.alloc(1_000_000, 'x')
    const counted = { sent: 0 }
    const streaming: ServerOptions['streaming'] = (_request, response) => {
      response.on('error', () => {})
      const more = (): void => {
        while (counted.sent < LIMIT) {
          counted.sent += piece.length
          if (!response.write(piece)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    }
    return { streaming, counted }
  }

  for (const [what, extra] of [
    ['as it is', {}],
    ['redacted', secret],
  ] as const) {
    test(`stops a fast server, and gets everything once it reads; ${what}`, async (t) => {
      const { streaming, counted } = firehose()
      const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', streaming } }, ...extra })
      const socket = await connectTunnel(bed.proxy, 'plain.test:80')
      socket.write(REQUEST)
      await once(socket, 'readable')
      await standstill(() => counted.sent)
      assert.ok(counted.sent < LIMIT / 2, `the server was let send ${counted.sent} bytes to nobody`)
      let received = 0
      for await (const chunk of socket) {
        received += (chunk as Buffer).length
        if (received >= LIMIT && bed.records.length > 0) break
      }
      assert.equal(bed.records[0]?.bytes_in, LIMIT)
    })
  }

  test('stops a fast server over HTTP/2, and another stream of the session goes on', async (t) => {
    const { streaming, counted } = firehose()
    const bed = await startBed(t, {
      hosts: {
        'api.test': {
          streaming: (request, response) =>
            request.url === '/quick' ? void response.end('quick') : streaming(request, response),
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    await once(stream, 'response')
    await standstill(() => counted.sent)
    assert.ok(counted.sent < LIMIT / 2, `the server was let send ${counted.sent} bytes to nobody`)
    const quick = session.request({ ':path': '/quick' })
    let text = ''
    for await (const chunk of quick) text += String(chunk)
    assert.equal(text, 'quick')
    session.destroy()
  })

  test('memory stays bounded while hundreds of megabytes pass to one that reads slowly', async (t) => {
    const { streaming } = firehose()
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', streaming } }, ...secret })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const before = liveBuffers()
    const samples: number[] = []
    let received = 0
    socket.write(REQUEST)
    for await (const chunk of socket) {
      received += (chunk as Buffer).length
      if (received > (samples.length + 1) * (LIMIT / 10)) samples.push(liveBuffers() - before)
      if (received > LIMIT) break
    }
    // Freed memory is given back in its own time; what a response left behind would be there to the end.
    const least = Math.min(...samples.slice(5))
    assert.ok(least < 50_000_000, `${least} bytes of buffers in use`)
  })
})

test('an upstream that does not read a large request does not hold up others', async (t) => {
  const bed = await startBed(t, {
    hosts: {
      'slow.test': { kind: 'tcp', onConnection: (socket) => void socket.on('error', () => {}).pause() },
      'plain.test': { kind: 'http' },
    },
  })
  const slow = await connectTunnel(bed.proxy, 'slow.test:80')
  slow.write(`POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 10000000\r\n\r\n`)
  await new Promise<void>((resolve) => slow.write(Buffer.alloc(10_000_000), () => resolve()))
  const quick = await connectTunnel(bed.proxy, 'plain.test:80')
  assert.equal((await rawRequest(quick, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')).status, 200)
  slow.destroy()
  quick.destroy()
  assert.equal((await bed.record(({ host }) => host === 'slow.test')).code, 'client_aborted')
})

test('a response without end is cut by its client only', async (t) => {
  const bed = await startBed(t, { hosts: { 'api.test': { streaming: (_request, response) => response.write('x') } } })
  const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), {
    ca: bed.ca,
    servername: 'api.test',
    alpn: ['http/1.1'],
  })
  secure.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await once(secure, 'data')
  assert.equal(bed.records.length, 0)
  secure.destroy()
  await bed.record(({ code }) => code === 'client_aborted')
})

/** Waits until a number has not changed for a while of turns of the event loop. */
async function standstill(read: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 100;) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    same = read() === last ? same + 1 : 0
    last = read()
  }
}

/** Bytes of buffers that are in use, in all of this process. */
function liveBuffers(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}
