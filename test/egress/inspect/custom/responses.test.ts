/**
 * What comes back is inspected before the workload gets it: whole bodies up to a bound, server-sent events one by one and
 * at their pace, heads, trailers, and messages. What inspectors get is redacted and decoded. A response that is blocked is
 * a 403, or breaks off when it has begun; it is on record once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { header } from '../../../support/http-response.ts'
import type { Handler } from '../../../support/internet.ts'
import { connectTunnel, get, http2Request, http2Session } from '../../../support/proxy-client.ts'
import { callUnary, capturedClient, playGrpc } from '../../http/grpc-service.ts'
import { openWebSocket, playWebSocket } from '../../websocket/sockets.ts'
import { bedWith } from './programs.ts'

const HOST = 'plain.test'
const URL = `http://${HOST}/`
const PLACEHOLDER = 'agentcage:secret:KEY:00112233445566778899aabbccddeeff'
const VALUE = 'sk-live-0123456789abcdef'

/** Blocks what holds the word, and says what it saw of the rest. */
const WATCH = `
  inspectResponse({ status, part, headers, contentType, direction, method, host, body, priorResults }) {
    if (body.text.includes('forbidden') || JSON.stringify(headers).includes('forbidden'))
      return { kind: 'block', reason: 'a forbidden word in ' + part, severity: 'error' }
    console.log('saw', JSON.stringify([part, status, direction, method, host, contentType, body.text, body.size]))
    return body.text.includes('odd') ? { kind: 'flag', reason: 'an odd word in ' + part } : PASS
  }`
const it = { it: { members: WATCH } }

function answering(handler: Handler) {
  return { hosts: { [HOST]: { kind: 'http', handler } } } as const
}

/** What the inspector said it saw, once it did so often. */
async function saw(messages: readonly string[], count: number): Promise<readonly unknown[]> {
  const seen = () => messages.filter((message) => message.startsWith('inspector it: saw '))
  while (seen().length < count) await new Promise((resolve) => setImmediate(resolve))
  return seen().map((message) => JSON.parse(message.slice('inspector it: saw '.length)) as unknown)
}

describe('whole responses', () => {
  test('pass as they are', async (t) => {
    const bed = await bedWith(
      t,
      it,
      answering(
        (_request, response) => void response.writeHead(201, { 'X-A': 'b', 'Content-Type': 'text/plain' }).end('hello'),
      ),
    )
    const response = await get(URL, bed)
    assert.deepEqual([response.status, response.body.toString(), header(response, 'X-A')], [201, 'hello', 'b'])
    assert.deepEqual(await saw(bed.messages, 1), [['whole', 201, 'inbound', 'GET', HOST, 'text/plain', 'hello', 5]])
    assert.deepEqual([bed.records.length, bed.records[0]?.decision, bed.records[0]?.bytes_in], [1, 'allowed', 5])
  })

  test('blocked: a 403 with reason and id, one record, nothing of the body', async (t) => {
    const bed = await bedWith(
      t,
      it,
      answering((_request, response) => void response.end('some forbidden fruit')),
    )
    const response = await get(URL, bed)
    const record = bed.denied(response, {
      status: 403,
      code: 'inspector_blocked',
      host: HOST,
      reason: 'a forbidden word in whole',
    })
    assert.deepEqual([bed.records.length, record.bytes_in, record.inspectors?.length], [1, 0, 1])
  })

  test('blocked by a header field, without a body too', async (t) => {
    const handler: Handler = (_request, response) => void response.writeHead(204, { 'X-A': 'forbidden' }).end()
    const bed = await bedWith(t, it, answering(handler))
    bed.denied(await get(URL, bed), { status: 403, code: 'inspector_blocked', host: HOST })
  })

  test('flagged: on record with the request', async (t) => {
    const bed = await bedWith(
      t,
      it,
      answering((_request, response) => void response.end('odd')),
    )
    assert.equal((await get(URL, bed)).status, 200)
    assert.deepEqual([bed.records[0]?.decision, bed.records[0]?.reason], ['flagged', 'an odd word in whole'])
  })

  test('compressed: decoded before the look, and asked for in codings that can be', async (t) => {
    let asked: string | undefined
    const handler: Handler = (request, response) => {
      asked = request.headers['accept-encoding'] as string
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('forbidden'))
    }
    const bed = await bedWith(t, it, answering(handler))
    const response = await get(URL, { proxy: bed.proxy, headers: { 'Accept-Encoding': 'gzip, x-unknown' } })
    bed.denied(response, { status: 403, code: 'inspector_blocked', host: HOST })
    assert.equal(asked, 'gzip')
  })

  test('in a coding that nobody knows: refused', async (t) => {
    const handler: Handler = (_request, response) =>
      void response.writeHead(200, { 'content-encoding': 'x-unknown' }).end('x')
    const bed = await bedWith(t, it, answering(handler))
    bed.denied(await get(URL, bed), { status: 403, code: 'encoding_unsupported', host: HOST })
  })

  for (const [what, head] of [
    ['announced', { 'content-length': '1001' }],
    ['not announced', {}],
    ['compressed', { 'content-encoding': 'gzip' }],
  ] as const) {
    test(`over the bound, ${what}: refused`, async (t) => {
      const body = what === 'compressed' ? gzipSync(Buffer.alloc(1001)) : Buffer.alloc(1001, 'x')
      const options = answering((_request, response) => void response.writeHead(200, head).end(body))
      const bed = await bedWith(t, it, { ...options, config: { max_inspected_response: 1000 } })
      const reason = 'response too large to be inspected: 1001 > 1000'
      bed.denied(await get(URL, bed), { status: 403, code: 'response_too_large', host: HOST, reason })
    })
  }

  test('redacted before anybody looks', async (t) => {
    const bed = await bedWith(t, it, {
      ...answering((_request, response) => void response.writeHead(200, { 'X-Key': VALUE }).end(`your key: ${VALUE}`)),
      config: { secret_injection: [{ env: 'KEY', placeholder: PLACEHOLDER, inject_to: [HOST] }] },
      secrets: { KEY: VALUE },
    })
    assert.equal((await get(URL, bed)).body.toString(), `your key: ${PLACEHOLDER}`)
    const [[, , , , , , text]] = (await saw(bed.messages, 1)) as [readonly unknown[]]
    assert.equal(text, `your key: ${PLACEHOLDER}`)
    assert.deepEqual(bed.records[0]?.secrets_redacted, ['KEY'])
  })

  test('trailers are looked at, and arrive', async (t) => {
    const trailing =
      (value: string): Handler =>
      (_request, response) => {
        response.writeHead(200, { trailer: 'x-after' })
        response.write('body')
        response.addTrailers({ 'x-after': value })
        response.end()
      }
    const good = await bedWith(t, it, answering(trailing('fine')))
    const response = await get(URL, good)
    assert.deepEqual([response.body.toString(), response.rawTrailers], ['body', ['x-after', 'fine']])
    const bad = await bedWith(t, it, answering(trailing('forbidden')))
    bad.denied(await get(URL, bad), {
      status: 403,
      code: 'inspector_blocked',
      host: HOST,
      reason: 'a forbidden word in trailers',
    })
  })

  test('over HTTP/2', async (t) => {
    const handler: Handler = (request, response) => void response.end(request.url === '/bad' ? 'forbidden' : 'fine')
    const bed = await bedWith(t, it, { hosts: { 'api.test': { handler } } })
    const session = await http2Session('https://api.test', bed)
    assert.equal((await http2Request(session, { ':path': '/' })).body.toString(), 'fine')
    assert.equal((await http2Request(session, { ':path': '/', ':method': 'HEAD' })).status, 200)
    const denied = await http2Request(session, { ':path': '/bad' })
    bed.denied(denied, { status: 403, code: 'inspector_blocked', host: 'api.test' })
    session.close()
  })

  test('that break off: as without an inspector', async (t) => {
    const handler: Handler = (_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half', () => response.destroy())
    }
    const bed = await bedWith(t, it, answering(handler))
    bed.denied(await get(URL, bed), { status: 502, code: 'upstream_aborted', host: HOST, blocked: false })
  })
})

test('a stream that has closed long before its head was judged arrives whole', async (t) => {
  const members = `async inspectResponse() { await new Promise((resolve) => setTimeout(resolve, 300)); return PASS }`
  const handler: Handler = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: all\n\ndata: of it\n\n')
  const bed = await bedWith(t, { it: { members } }, { hosts: { 'api.test': { handler } } })
  const session = await http2Session('https://api.test', bed)
  assert.equal((await http2Request(session, { ':path': '/' })).body.toString(), 'data: all\n\ndata: of it\n\n')
  session.close()
})

describe('server-sent events', () => {
  /** Sends an event each time `next` is called. */
  function source() {
    let answer: ServerResponse | undefined
    const streaming = (_request: unknown, response: ServerResponse): void => {
      answer = response
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.flushHeaders()
    }
    return {
      hosts: { [HOST]: { kind: 'http', streaming } } as const,
      send: (text: string) => answer?.write(text),
      end: () => answer?.end(),
    }
  }
  const REQUEST = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`

  async function open(t: Parameters<typeof bedWith>[0], config = {}) {
    const events = source()
    const bed = await bedWith(t, it, { hosts: events.hosts, config })
    const socket = await connectTunnel(bed.proxy, `${HOST}:80`)
    socket.on('error', () => {})
    socket.write(REQUEST)
    let text = ''
    const until = async (what: string): Promise<void> => {
      while (!text.includes(what)) text += String(((await once(socket, 'data')) as [Buffer])[0])
    }
    await until('\r\n\r\n')
    return { bed, socket, until, events, text: () => text }
  }

  test('arrive one by one, each looked at', async (t) => {
    const { bed, socket, until, events } = await open(t)
    for (let event = 0; event < 5; event += 1) {
      events.send(`data: ${event}\n\n`)
      await until(`data: ${event}\n\n`)
    }
    events.end()
    await until('0\r\n\r\n')
    const parts = ((await saw(bed.messages, 6)) as [string, number, string, string, string, string, string][]).map(
      ([part, , , , , , text]) => [part, text],
    )
    assert.deepEqual(parts.slice(0, 3), [
      ['head', ''],
      ['event', 'data: 0\n\n'],
      ['event', 'data: 1\n\n'],
    ])
    assert.deepEqual([bed.records.length, bed.records[0]?.decision, bed.records[0]?.bytes_in], [1, 'allowed', 45])
    socket.destroy()
  })

  test('the one that is blocked never arrives, and the stream breaks off', async (t) => {
    const { bed, socket, until, events, text } = await open(t)
    events.send('data: fine\n\n')
    await until('data: fine\n\n')
    events.send('data: forb')
    events.send('idden\n\n')
    events.send('data: more\n\n')
    const record = await bed.record(() => true)
    if (!socket.closed) await once(socket, 'close')
    assert.doesNotMatch(text(), /forb|more|0\r\n\r\n/)
    assert.deepEqual(
      [record.decision, record.code, record.reason, record.status, bed.records.length],
      ['blocked', 'inspector_blocked', 'a forbidden word in event', 200, 1],
    )
  })

  test('one without an end is bounded', async (t) => {
    const { bed, events } = await open(t, { max_inspected_response: 1000 })
    events.send(`data: ${'x'.repeat(2000)}`)
    assert.equal((await bed.record(() => true)).code, 'response_too_large')
  })
})

describe('other protocols', () => {
  test('a WebSocket: the handshake as a response, messages both ways as messages', async (t) => {
    const members = `${WATCH},
      inspectMessage({ direction, method, protocol, body }) {
        return body.text.includes('forbidden') ? { kind: 'block', reason: [direction, protocol, method].join(' ') } : PASS
      }`
    const hosts = { 'ws.test': { kind: 'http' } } as const
    const bed = await bedWith(t, { it: { members } }, { hosts })
    const server = playWebSocket(bed.server('ws.test').server)
    const client = await openWebSocket(bed, 'ws://ws.test/ws')
    const peer = await server.next()
    client.socket.send('out')
    assert.equal((await peer.ear.next()).data, 'out')
    peer.socket.send('back')
    assert.equal((await client.ear.next()).data, 'back')
    assert.deepEqual(
      ((await saw(bed.messages, 1)) as [string, number][]).map(([part, status]) => [part, status]),
      [['head', 101]],
    )
    peer.socket.send('forbidden')
    assert.equal((await client.ear.next()).code, 1008)
    assert.equal((await bed.record(() => true)).reason, 'websocket: inbound websocket WEBSOCKET')
  })

  test('a WebSocket whose handshake is blocked', async (t) => {
    const hosts = { 'ws.test': { kind: 'http' } } as const
    const bed = await bedWith(t, it, { hosts })
    const server = playWebSocket(bed.server('ws.test').server, { headers: ['X-A: forbidden'] })
    await assert.rejects(openWebSocket(bed, 'ws://ws.test/ws'), /403/)
    const peer = await server.next()
    while ((await peer.ear.next()).kind !== 'close');
    assert.equal((await bed.record(() => true)).code, 'inspector_blocked')
  })

  test('attack: who goes away while the handshake is judged leaves no connection to the upstream behind', async (t) => {
    const members = `async inspectResponse() { await new Promise((resolve) => setTimeout(resolve, 500)); return PASS }`
    const hosts = { 'wss.test': {} } as const
    const bed = await bedWith(t, { slow: { members } }, { hosts })
    const server = playWebSocket(bed.server('wss.test').server)
    const session = await http2Session('https://wss.test', bed)
    if (!session.remoteSettings.enableConnectProtocol) await once(session, 'remoteSettings')
    const opening = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/ws',
      ':authority': 'wss.test',
      'sec-websocket-version': '13',
    }
    session.request(opening).on('error', () => {})
    const peer = await server.next()
    session.destroy()
    while ((await peer.ear.next()).kind !== 'close');
  })

  test('gRPC: each message in both directions, head and trailers', async (t) => {
    const members = `${WATCH},
      inspectMessage({ direction, protocol, body }) {
        return body.text === 'echo bad' ? { kind: 'block', reason: 'bad ' + direction + ' ' + protocol } : PASS
      }`
    const bed = await bedWith(
      t,
      { it: { members } },
      { transparent: [443], config: { domains: { list: ['grpc.test'] } } },
    )
    await playGrpc(t, bed)
    await bed.reload({ inspectors: [{ name: 'it', path: `${bed.folder}/it.ts`, timeout_ms: 60_000 }] })
    const echo = capturedClient(t, bed)
    assert.equal((await callUnary(echo, 'good')).text, 'echo good')
    const parts = ((await saw(bed.messages, 2)) as [string, number][]).map(([part]) => part)
    assert.deepEqual(parts, ['head', 'trailers'])
    assert.notEqual((await callUnary(echo, 'bad')).error, null)
    const record = await bed.record(({ decision }) => decision === 'blocked')
    assert.deepEqual([record.code, record.reason, record.bytes_in], ['inspector_blocked', 'bad inbound grpc', 0])
  })
})
