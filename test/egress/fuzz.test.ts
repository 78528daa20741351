/**
 * A live egress is fed thousands of mutated requests, ClientHellos, SOCKS handshakes, HTTP/2 and WebSocket frames, cut
 * anywhere. It may refuse whatever it wants, but it stays up, finds no defect in itself, keeps its audit log whole and
 * serves a good request afterwards. `AGENTCAGE_FUZZ_SEED` replays a run.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { after, before, test } from 'node:test'
import { verifyLog } from '../../src/audit/verify.ts'
import { startEgress, type EgressProcess } from '../support/egress-process.ts'
import { fuzz, mutate, type Random } from '../support/fuzz.ts'
import { startInternet, type Internet } from '../support/internet.ts'
import { connectTcp, connectTunnel, get, rawRequest, tlsOver } from '../support/proxy-client.ts'
import { captureHellos } from './tls/real-hellos.ts'
import { HANDSHAKE, playWebSocket } from './websocket/sockets.ts'

const CRLF = '\r\n'
const ended: (() => unknown)[] = []
let internet: Internet
let egress: EgressProcess

before(async () => {
  internet = await startInternet({ 'api.test': {}, 'plain.test': { kind: 'http' } })
  playWebSocket((await internet.server('ws.test', { kind: 'http' })).server)
  const config = {
    domains: { list: ['api.test', 'plain.test', 'ws.test'] },
    rate_limit: { requests_per_second: 0 },
    max_request_body: 100_000,
    secret_injection: [{ env: 'KEY', placeholder: 'agentcage-placeholder', inject_to: ['api.test'] }],
    upstream: internet.upstream,
  }
  const args = ['--transparent', '127.0.0.1:0=443']
  egress = await startEgress({ after: (end: () => unknown) => void ended.push(end) }, config, {
    args,
    env: { KEY: 'the-real-value' },
  })
})

after(async () => {
  for (const end of ended) await end()
  await internet.close()
})

test('HTTP/1.1', async (t) => {
  const corpus = [
    'GET http://plain.test/ HTTP/1.1|Host: plain.test||',
    'POST http://plain.test/a?b HTTP/1.1|Host: plain.test|Content-Length: 5||hello',
    'POST http://plain.test/ HTTP/1.1|Host: plain.test|Transfer-Encoding: chunked|Trailer: X||5|hello|0|X: y||',
    'PUT http://plain.test/ HTTP/1.1|Host: plain.test|Expect: 100-continue|Content-Length: 2||hi',
    'CONNECT plain.test:80 HTTP/1.1|Host: plain.test:80||GET / HTTP/1.1|Host: plain.test|Connection: close||',
    'CONNECT [::1]:443 HTTP/1.1|Host: [::1]:443||',
    'GET http://plain.test/ HTTP/1.0|Host: plain.test||',
    'HEAD http://plain.test/ HTTP/1.1|Host: plain.test|Connection: close, X-A|X-A: agentcage-placeholder||',
    `GET http://plain.test/1 HTTP/1.1|Host: plain.test||GET http://plain.test/2 HTTP/1.1|Host: plain.test|${HANDSHAKE.replaceAll(CRLF, '|')}|`,
    `GET http://ws.test/ HTTP/1.1|Host: ws.test|${HANDSHAKE.replaceAll(CRLF, '|')}|`,
  ].map((text) => Buffer.from(text.replaceAll('|', CRLF)))
  await fuzz(t, { runs: 150 }, (random) => volley(random, corpus, () => connectTcp(egress.proxy)))
  await isWell()
})

test('ClientHellos', async (t) => {
  const corpus = (await captureHellos()).map(({ bytes }) => bytes)
  await fuzz(t, { runs: 80 }, (random) => volley(random, corpus, () => connectTcp(egress.transparent[0] ?? '')))
  await isWell()
})

test('SOCKS5', async (t) => {
  const corpus = [
    Buffer.concat([
      Buffer.from([5, 1, 0, 5, 1, 0, 3, 10]),
      Buffer.from('plain.test'),
      Buffer.from([0, 80]),
      Buffer.from('GET / HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n'),
    ]),
    Buffer.from([5, 2, 0, 2, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80]),
    Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, 4]), Buffer.alloc(16, 1), Buffer.from([1, 187])]),
  ]
  await fuzz(t, { runs: 50 }, (random) => volley(random, corpus, () => connectTcp(egress.proxy)))
  await isWell()
})

test('HTTP/2', async (t) => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const settings = frame(4, 0, 0)
  // Of the static table (RFC 7541 appendix A): GET, https, /, and a literal authority.
  const block = Buffer.concat([Buffer.from([0x82, 0x87, 0x84, 0x41, 8]), Buffer.from('api.test')])
  const post = Buffer.concat([Buffer.from([0x83, 0x87, 0x84, 0x41, 8]), Buffer.from('api.test')])
  const corpus = [
    [frame(1, 5, 1, block)],
    [frame(1, 4, 1, post), frame(0, 1, 1, Buffer.from('body'))],
    [
      frame(1, 0, 1, block.subarray(0, 4)),
      frame(9, 4, 1, block.subarray(4)),
      frame(3, 0, 1, Buffer.from([0, 0, 0, 8])),
    ],
    [frame(6, 0, 0, Buffer.alloc(8)), frame(8, 0, 0, Buffer.from([0, 0, 1, 0])), frame(7, 0, 0, Buffer.alloc(8))],
    [frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), frame(1, 5, 1, block)],
  ].map((frames) => Buffer.concat([settings, ...frames]))
  await fuzz(t, { runs: 25 }, (random) =>
    volley(random, corpus, async () => {
      const tunnel = await connectTunnel(egress.proxy, 'api.test:443')
      const secure = await tlsOver(tunnel, { ca: egress.ca, servername: 'api.test', alpn: ['h2'] })
      secure.write(preface)
      return secure
    }),
  )
  await isWell()
})

test('WebSocket frames', async (t) => {
  const corpus = [
    message(0x81, 'hello'),
    Buffer.concat([message(0x01, 'one'), message(0x89, 'ping'), message(0x00, 'two'), message(0x80, 'three')]),
    message(0x82, Buffer.alloc(300)),
    message(0x88, Buffer.from([3, 232, 98, 121, 101])),
    message(0x81, 'agentcage-placeholder'),
  ]
  await fuzz(t, { runs: 50 }, (random) =>
    volley(random, corpus, async () => {
      const socket = await connectTunnel(egress.proxy, 'ws.test:80')
      await rawRequest(socket, `GET / HTTP/1.1\r\nHost: ws.test\r\n${HANDSHAKE}\r\n`)
      return socket
    }),
  )
  await isWell()
})

const AT_ONCE = 8

/** Several connections at once, each with a mutated text in pieces, and then the end. */
async function volley(random: Random, corpus: readonly Buffer[], connect: () => Promise<Duplex>): Promise<void> {
  const shots = Array.from({ length: AT_ONCE }, () => random.chunks(mutate(random, random.pick(corpus), { corpus })))
  await Promise.all(
    shots.map(async (pieces) => {
      const socket = await connect()
      const closed = once(socket, 'close')
      closed.catch(() => {})
      socket.on('error', () => {}).resume()
      for (const piece of pieces) socket.write(piece)
      socket.end()
      // An answer may take its time; what is left of the connection is not worth waiting for.
      await Promise.race([closed.catch(() => {}), once(socket, 'end').catch(() => {}), patience()])
      socket.destroy()
    }),
  )
}

function patience(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100).unref())
}

async function isWell(): Promise<void> {
  for (const url of ['https://api.test/', 'http://plain.test/']) {
    assert.equal((await get(url, { proxy: egress.proxy, ca: egress.ca })).status, 200)
  }
  assert.doesNotMatch(egress.stderr, /internal error|Error:|Warning:/)
  const chain = await verifyLog(egress.auditPath)
  assert.ok(chain.ok)
  assert.ok((await egress.audit()).every(({ code }) => code !== 'egress_failed'))
}

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function message(first: number, payload: Buffer | string): Buffer {
  const body = Buffer.from(payload)
  const length = body.length < 126 ? [0x80 | body.length] : [0xfe, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(4), body])
}
