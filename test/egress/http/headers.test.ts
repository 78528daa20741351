/**
 * Fields travel as they were written: case, order and duplicates are kept, both ways (many an API and many a bot
 * detector looks at them). What concerns one connection only stays there (RFC 9110 section 7.6.1): hop-by-hop fields,
 * those that `Connection` names, and `Proxy-*`, which may hold credentials for somebody else.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { json } from '../../support/http-response.ts'
import { connectTcp, connectTunnel, http2Request, http2Session, rawRequest } from '../../support/proxy-client.ts'
import type { Handler } from '../../support/internet.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'plain.test': { kind: 'http' }, 'api.test': {} } as const

async function ask(bed: Bed, fields: string, start = 'GET / HTTP/1.1'): Promise<string[]> {
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  const response = await rawRequest(socket, `${start}\r\nHost: plain.test\r\n${fields}\r\n`)
  socket.destroy()
  return json(response)['headers'] as string[]
}

describe('request fields', () => {
  test('case, order and duplicates are kept', async (t) => {
    const bed = await startBed(t, { hosts })
    const fields =
      'x-LOWER: 1\r\nX-Upper: 2\r\nAccept: a\r\nX-Dup: one\r\nx-dup: two\r\nX-DUP: \r\nCookie: a=b\r\nCookie: c=d\r\nZ: \t padded \t\r\n'
    const sent =
      'Host|plain.test|x-LOWER|1|X-Upper|2|Accept|a|X-Dup|one|x-dup|two|X-DUP||Cookie|a=b|Cookie|c=d|Z|padded'
    assert.deepEqual((await ask(bed, fields)).slice(0, -2), sent.split('|'))
  })

  test('nothing is added but the connection field', async (t) => {
    const bed = await startBed(t, { hosts })
    assert.deepEqual(await ask(bed, ''), ['Host', 'plain.test', 'Connection', 'keep-alive'])
  })

  test('the Host stays where it stood', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const response = await rawRequest(socket, 'GET / HTTP/1.1\r\nA: 1\r\nhost: plain.test\r\nB: 2\r\n\r\n')
    assert.deepEqual((json(response)['headers'] as string[]).slice(0, 6), ['A', '1', 'host', 'plain.test', 'B', '2'])
    socket.destroy()
  })

  test('bytes above ASCII pass as they are', async (t) => {
    const bed = await startBed(t, { hosts })
    assert.ok((await ask(bed, 'X-Name: caf\xe9 \xff\r\n')).includes('caf\xe9 \xff'))
  })

  test('hop-by-hop fields, those that Connection names, and Proxy-* stay behind', async (t) => {
    const bed = await startBed(t, { hosts })
    const fields = [
      'Connection: close, X-Hop, x-other',
      'X-Hop: 1',
      'X-Other: 2',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic c2VjcmV0',
      'PROXY-anything: x',
      'Trailer: X-T',
      'X-Stays: 3',
    ]
    assert.deepEqual(await ask(bed, `${fields.join('\r\n')}\r\n`), [
      'Host',
      'plain.test',
      'X-Stays',
      '3',
      'Connection',
      'keep-alive',
    ])
  })

  test('Connection cannot take away what frames the message', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const response = await rawRequest(
      socket,
      'POST / HTTP/1.1\r\nHost: plain.test\r\nConnection: Host, Content-Length\r\nContent-Length: 3\r\n\r\nabc',
    )
    assert.equal(json(response)['body'], 'abc')
    assert.deepEqual(json(response)['headers'], [
      'Host',
      'plain.test',
      'Content-Length',
      '3',
      'Connection',
      'keep-alive',
    ])
    socket.destroy()
  })

  test('thousands of small fields pass, none is lost; a hundred thousand are refused', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response, { rawHeaders }) => void response.end(String(rawHeaders.length / 2)),
        },
      },
    })
    // Node's own server drops what comes after 2000.
    Object.assign(bed.server('plain.test').server, { maxHeadersCount: 0 })
    const head = (count: number): string => `GET / HTTP/1.1\r\nHost: plain.test\r\n${'a:b\r\n'.repeat(count)}\r\n`
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const response = await rawRequest(socket, head(2200))
    assert.equal(response.status, 200)
    assert.ok(Number(response.body) >= 2201)
    const refused = await rawRequest(await connectTunnel(bed.proxy, 'plain.test:80'), head(100_000))
    assert.equal(refused.status, 400)
    assert.equal(bed.server('plain.test').connections, 1)
    socket.destroy()
  })

  test('a head of sixty thousand bytes passes', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response, { rawHeaders }) => void response.end(String(rawHeaders.join('').length)),
        },
      },
    })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const response = await rawRequest(
      socket,
      `GET / HTTP/1.1\r\nHost: plain.test\r\n${`X-A: ${'a'.repeat(1000)}\r\n`.repeat(14)}\r\n`,
    )
    assert.equal(response.status, 200)
    assert.ok(Number(response.body) > 14_000)
    socket.destroy()
  })

  test('of absolute form, Host is set to the target, in its one spelling', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTcp(bed.proxy)
    const response = await rawRequest(
      socket,
      'GET http://PLAIN.test:80/ HTTP/1.1\r\nHost: Plain.Test\r\nProxy-Connection: x\r\n\r\n',
    )
    assert.deepEqual(json(response)['headers'], ['Host', 'plain.test', 'Connection', 'keep-alive'])
    socket.destroy()
  })
})

describe('response fields', () => {
  const raw = (...fields: readonly string[]): Handler => {
    return (_request, response) => void response.writeHead(200, 'Fine By Me', fields as string[]).end(Buffer.from('ok'))
  }

  async function answerOf(t: Parameters<typeof startBed>[0], handler: Handler) {
    const bed = await startBed(t, { hosts: { 'plain.test': { kind: 'http', handler } } })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    const response = await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
    socket.destroy()
    return response
  }

  test('status, reason, case, order and duplicates are kept', async (t) => {
    const fields = [
      'date',
      'now',
      'X-b',
      '1',
      'x-A',
      '2',
      'Set-Cookie',
      'a=1',
      'X-B',
      '3',
      'Set-Cookie',
      'b=2',
      'content-LENGTH',
      '2',
      'X-Caf',
      'caf\xe9',
    ]
    const response = await answerOf(t, raw(...fields))
    assert.deepEqual([response.status, response.reason], [200, 'Fine By Me'])
    assert.deepEqual(response.rawHeaders.slice(0, fields.length), fields)
  })

  test('hop-by-hop fields, those that Connection names, Proxy-* and the way to HTTP/3 stay behind', async (t) => {
    const response = await answerOf(
      t,
      raw(
        'Date',
        'now',
        'Connection',
        'X-Hop',
        'X-Hop',
        '1',
        'Proxy-Authenticate',
        'Basic',
        'Upgrade',
        'h2c',
        'Alt-Svc',
        'h3=":443"',
        'X-Stays',
        '1',
        'Content-Length',
        '2',
      ),
    )
    const names = response.rawHeaders.filter((_, index) => index % 2 === 0)
    assert.deepEqual(names, ['Date', 'X-Stays', 'Content-Length', 'Connection', 'Keep-Alive'])
    assert.ok(!response.rawHeaders.includes('X-Hop'))
  })

  test('trailers arrive after a chunked body', async (t) => {
    const response = await answerOf(t, (_request, answer) => {
      answer.writeHead(200, { Trailer: 'X-Sum' })
      answer.write('body')
      answer.addTrailers([
        ['X-Sum', '42'],
        ['X-Sum', '43'],
      ])
      answer.end()
    })
    assert.deepEqual([response.body.toString(), response.rawTrailers], ['body', ['X-Sum', '42', 'X-Sum', '43']])
  })

  test('interim responses of the upstream do not end the exchange', async (t) => {
    const response = await answerOf(t, (_request, answer) => {
      answer.writeEarlyHints({ link: '</a.css>; rel=preload' })
      answer.writeProcessing()
      answer.end('final')
    })
    assert.deepEqual([response.status, response.body.toString()], [200, 'final'])
  })
})

describe('HTTP/2', () => {
  test('fields pass in their order, duplicates too, both ways', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'api.test': (request, response, { rawHeaders }) => {
          response.setHeader('set-cookie', ['a=1', 'b=2'])
          response.setHeader('x-b', '1')
          response.end(JSON.stringify({ headers: rawHeaders, version: request.httpVersion }))
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    const answer = await http2Request(session, {
      ':path': '/',
      'x-b': '1',
      cookie: ['a=b', 'c=d'],
      'x-a': ['2', '3'],
      'content-type': 'text/plain',
    })
    const { headers, version } = JSON.parse(answer.body.toString()) as { headers: string[]; version: string }
    assert.equal(version, '2.0')
    assert.deepEqual(headers.slice(8), [
      'x-b',
      '1',
      'cookie',
      'a=b',
      'cookie',
      'c=d',
      'x-a',
      '2',
      'x-a',
      '3',
      'content-type',
      'text/plain',
    ])
    assert.deepEqual([answer.headers['set-cookie'], answer.headers['x-b']], [['a=1', 'b=2'], '1'])
    session.close()
  })

  test('to an upstream of HTTP/1.1: cookies are joined, Host is named, pseudo-fields are gone', async (t) => {
    const bed = await startBed(t, { hosts: { 'api.test': { alpn: ['http/1.1'] } } })
    const session = await http2Session('https://api.test', bed)
    const answer = await http2Request(session, { ':path': '/p', 'x-a': '1', cookie: ['a=b', 'c=d'], te: 'trailers' })
    const { headers, url, protocol } = JSON.parse(answer.body.toString()) as {
      headers: string[]
      url: string
      protocol: string
    }
    assert.deepEqual([protocol, url], ['http/1.1', '/p'])
    assert.deepEqual(headers, ['Host', 'api.test', 'x-a', '1', 'cookie', 'a=b; c=d', 'Connection', 'keep-alive'])
    session.close()
  })

  test('from an upstream of HTTP/1.1: names become lower case, connection fields are gone, duplicates stay', async (t) => {
    const fields = [
      'Content-Type',
      'a/b',
      'X-Odd',
      '1',
      'Connection',
      'X-Hop',
      'X-Hop',
      '2',
      'Keep-Alive',
      'timeout=5',
      'Location',
      '/1',
      'Location',
      '/2',
    ]
    const bed = await startBed(t, {
      hosts: {
        'api.test': {
          alpn: ['http/1.1'],
          handler: (_request, response) => void response.writeHead(201, fields).end('ok'),
        },
      },
    })
    const session = await http2Session('https://api.test', bed)
    const stream = session.request({ ':path': '/' })
    const rawHeaders = await new Promise<readonly string[]>((resolve) =>
      stream.once('response', (_headers, _flags, raw: string[]) => resolve(raw)),
    )
    assert.deepEqual(rawHeaders.slice(0, 10), [
      ':status',
      '201',
      'content-type',
      'a/b',
      'x-odd',
      '1',
      'location',
      '/1',
      'location',
      '/2',
    ])
    assert.ok(!rawHeaders.includes('x-hop') && !rawHeaders.includes('keep-alive'))
    stream.resume()
    session.destroy()
  })

  test('bytes above ASCII pass as they are', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'api.test': (_request, response, { rawHeaders }) =>
          void response.writeHead(200, { 'x-back': rawHeaders.at(-1) }).end(),
      },
    })
    const session = await http2Session('https://api.test', bed)
    const { headers } = await http2Request(session, { ':path': '/', 'x-name': 'caf\xe9' })
    assert.equal(headers['x-back'], 'caf\xe9')
    session.close()
  })
})
