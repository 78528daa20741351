/**
 * Request bodies are read whole before anything leaves, up to `max_request_body` and within a budget for all of them
 * together. A body over the bound is refused at the first byte that tells: by its declared length before any of it is
 * read or asked for, else when the count passes the bound. Responses have no bound, and none where HTTP has no body.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { BodyBudget, readBody } from '../../../src/egress/http/body.ts'
import { header, json, readResponse } from '../../support/http-response.ts'
import { connectTunnel, get, http2Request, http2Session, rawRequest } from '../../support/proxy-client.ts'
import type { Handler } from '../../support/internet.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'plain.test': { kind: 'http' }, 'api.test': {} } as const
const config = { max_request_body: 1000 }
const post = (fields: string, body = ''): string => `POST / HTTP/1.1\r\nHost: plain.test\r\n${fields}\r\n\r\n${body}`
const chunked = (...chunks: readonly string[]): string =>
  [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')

async function ask(bed: Bed, bytes: string) {
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  const response = await rawRequest(socket, bytes)
  socket.destroy()
  return response
}

describe('the bound', () => {
  test('a body of exactly the bound passes, by length and in chunks', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const body = 'x'.repeat(1000)
    for (const bytes of [
      post('Content-Length: 1000', body),
      post('Transfer-Encoding: chunked', chunked(body.slice(1), 'x')),
    ]) {
      assert.equal((json(await ask(bed, bytes))['body'] as string).length, 1000)
    }
    assert.deepEqual(
      bed.records.map(({ bytes_out }) => bytes_out),
      [1000, 1000],
    )
  })

  test('a longer one is refused by its declared length, before any of it was sent', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const denied = await ask(bed, post('Content-Length: 1001'))
    bed.denied(denied, {
      status: 413,
      code: 'body_too_large',
      host: 'plain.test',
      reason: 'body too large: 1001 > 1000',
    })
    assert.equal(header(denied, 'Connection'), 'close')
    bed.nothingLeft()
  })

  test('a longer one in chunks is refused when the count passes the bound, before its end', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const denied = await ask(bed, post('Transfer-Encoding: chunked', `3e9\r\n${'x'.repeat(1001)}`))
    bed.denied(denied, {
      status: 413,
      code: 'body_too_large',
      host: 'plain.test',
      reason: 'body too large: 1001 > 1000',
    })
    bed.nothingLeft()
  })

  test('attack: one in more than a million pieces is refused, however short it is', async () => {
    const budget = new BodyBudget(10_000_000)
    const stream = new Readable({ read: () => {} })
    const body = readBody(stream, { maxBytes: 0, budget })
    const piece = Buffer.from('x')
    for (let count = 0; count < 1024 * 1024; count++) stream.emit('data', piece)
    assert.equal(budget.heldBytes, 1024 * 1024)
    stream.emit('data', piece)
    await assert.rejects(body, { code: 'bad_request', message: /^the request body comes in more than 1048576 pieces$/ })
    assert.equal(budget.heldBytes, 0)
  })

  test('HTTP/2: by declared length and by count', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const session = await http2Session('https://api.test', bed)
    const declared = session.request(
      { ':method': 'POST', ':path': '/', 'content-length': '1001' },
      { endStream: false },
    )
    declared.on('error', () => {})
    const [head] = (await once(declared, 'response')) as [Readonly<Record<string, unknown>>]
    assert.equal(head[':status'], 413)
    bed.denied(await http2Request(session, { ':method': 'POST', ':path': '/' }, 'x'.repeat(100_000)), {
      status: 413,
      code: 'body_too_large',
      host: 'api.test',
    })
    assert.equal((await http2Request(session, { ':method': 'POST', ':path': '/' }, 'x'.repeat(1000))).status, 200)
    assert.deepEqual(bed.server('api.test').requests.length, 1)
    session.destroy()
  })

  test('HTTP/2: a client that goes on sending what was refused is stopped', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false })
    stream.on('error', () => {}).resume()
    stream.write(Buffer.alloc(10_000))
    const closed = once(stream, 'close')
    await once(stream, 'response')
    await closed
    session.destroy()
  })

  test('0 means no bound', async (t) => {
    const bed = await startBed(t, { hosts, config: { max_request_body: 0 } })
    const body = Buffer.alloc(12_000_000, 'x')
    const response = await get('http://plain.test/', { proxy: bed.proxy, method: 'POST', body })
    assert.equal((json(response)['body'] as string).length, body.length)
  })

  test('the default bound is ten mebibytes', async (t) => {
    const bed = await startBed(t, { hosts })
    const denied = await ask(bed, post('Content-Length: 10485761'))
    bed.denied(denied, {
      status: 413,
      code: 'body_too_large',
      host: 'plain.test',
      reason: 'body too large: 10485761 > 10485760',
    })
  })
})

/** A connection that waits for another request may end while a large one is on its way. */
const answerOnce: Handler = (_request, response) => void response.setHeader('Connection', 'close').end('ok')

describe('the budget', () => {
  test('bodies together may not exceed it; what is refused can be tried again, and then fits', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'plain.test': { kind: 'http', handler: answerOnce } },
      config: { max_request_body: 0 },
    })
    const half = 80_000_000
    const first = await connectTunnel(bed.proxy, 'plain.test:80')
    first.write(post(`Content-Length: ${half}`))
    const body = Buffer.alloc(half)
    await new Promise<void>((resolve) => first.write(body.subarray(1), () => resolve()))
    const second = await get('http://plain.test/', { proxy: bed.proxy, method: 'POST', body })
    bed.denied(second, { status: 503, code: 'overloaded', host: 'plain.test' })
    assert.equal(header(second, 'Retry-After'), '1')
    assert.equal((await rawRequest(first, 'x')).status, 200)
    assert.equal((await get('http://plain.test/', { proxy: bed.proxy, method: 'POST', body })).status, 200)
    first.destroy()
  })

  test('a client that goes away gives back what it held', async (t) => {
    const bed = await startBed(t, { hosts, config: { max_request_body: 0 } })
    for (let round = 0; round < 3; round++) {
      const socket = await connectTunnel(bed.proxy, 'plain.test:80')
      socket.on('error', () => {})
      socket.write(post('Content-Length: 100000000'))
      await new Promise<void>((resolve) => socket.write(Buffer.alloc(60_000_000), () => resolve()))
      socket.destroy()
      await bed.record(() => bed.records.length === round + 1)
    }
    assert.deepEqual(
      bed.records.map(({ code }) => code),
      ['client_aborted', 'client_aborted', 'client_aborted'],
    )
  })
})

describe('Expect: 100-continue', () => {
  const expecting = (length: number): string => post(`Content-Length: ${length}\r\nExpect: 100-continue`)

  test('the body is asked for once the head is allowed, and the upstream is not bothered with it', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write(expecting(5))
    const [interim] = (await once(socket, 'data')) as [Buffer]
    assert.equal(interim.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    bed.nothingLeft()
    socket.write('hello')
    const response = await readResponse(socket)
    assert.equal(json(response)['body'], 'hello')
    assert.ok(!(json(response)['headers'] as string[]).includes('Expect'))
    socket.destroy()
  })

  const refusals: Readonly<Record<string, readonly [string, string, number]>> = {
    'a host that is not allowed': ['evil.test', expecting(5).replace('plain', 'evil'), 403],
    'a body over the bound': ['plain.test', expecting(1001), 413],
    'a malformed destination': ['plain.test', expecting(5).replace('Host: plain.test', 'Host: a, b'), 400],
  }
  for (const [what, [host, bytes, status]] of Object.entries(refusals)) {
    test(`${what} is refused before the body is asked for`, async (t) => {
      const bed = await startBed(t, { hosts, config })
      const socket = await connectTunnel(bed.proxy, `${host}:80`)
      const response = await rawRequest(socket, bytes)
      assert.deepEqual([response.status, response.interim], [status, []])
      socket.destroy()
      bed.nothingLeft()
    })
  }

  test('an expectation that nobody knows is passed over', async (t) => {
    const bed = await startBed(t, { hosts })
    assert.equal(json(await ask(bed, post('Content-Length: 2\r\nExpect: miracles', 'hi')))['body'], 'hi')
  })
})

describe('where there is no body', () => {
  const answers: Readonly<
    Record<string, { readonly method: string; readonly status: number; readonly fields: Record<string, string> }>
  > = {
    'HEAD, with the length that GET would have': { method: 'HEAD', status: 200, fields: { 'Content-Length': '1234' } },
    'HEAD without a length': { method: 'HEAD', status: 200, fields: {} },
    '204': { method: 'DELETE', status: 204, fields: {} },
    '304 with a length': { method: 'GET', status: 304, fields: { 'Content-Length': '1234', ETag: '"a"' } },
    '200 with an empty body': { method: 'GET', status: 200, fields: { 'Content-Length': '0' } },
  }
  for (const [what, { method, status, fields }] of Object.entries(answers)) {
    for (const secrets of [false, true]) {
      test(`${what}${secrets ? ', where secrets are looked for' : ''}`, async (t) => {
        const bed = await startBed(t, {
          hosts: {
            'plain.test': {
              kind: 'http',
              handler: (_request, response) => void response.writeHead(status, fields).end(),
            },
            'api.test': (_request, response) => void response.writeHead(status, fields).end(),
          },
          ...(secrets
            ? {
                config: { secret_injection: [{ env: 'KEY', inject_to: ['http://plain.test'] }] },
                secrets: { KEY: 'a-secret-value' },
              }
            : {}),
        })
        const socket = await connectTunnel(bed.proxy, 'plain.test:80')
        for (let round = 0; round < 2; round++) {
          // Twice on one connection: a body where there is none would spoil the second.
          const response = await rawRequest(socket, `${method} / HTTP/1.1\r\nHost: plain.test\r\n\r\n`)
          assert.deepEqual([response.status, response.body.length], [status, 0])
          if (!secrets) for (const [name, value] of Object.entries(fields)) assert.equal(header(response, name), value)
        }
        socket.destroy()
        const session = await http2Session('https://api.test', bed)
        const answer = await http2Request(session, { ':method': method, ':path': '/' })
        assert.deepEqual([answer.status, answer.body.length], [status, 0])
        session.close()
      })
    }
  }
})

test('a GET without a body has no length, a POST without one has', async (t) => {
  const bed = await startBed(t, { hosts })
  const [got, posted] = [
    await ask(bed, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n'),
    await ask(bed, post('Content-Length: 0')),
  ]
  assert.ok(!(json(got)['headers'] as string[]).includes('Content-Length'))
  assert.deepEqual((json(posted)['headers'] as string[]).slice(2, 4), ['Content-Length', '0'])
})
