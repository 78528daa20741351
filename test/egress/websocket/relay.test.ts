/**
 * A WebSocket (RFC 6455, and RFC 8441 over HTTP/2) is relayed message by message: kinds, contents, pings and closing
 * handshakes arrive as they were sent, in their order, whichever side sent them. The record is written when it is over.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { connectTunnel, rawRequest } from '../../support/proxy-client.ts'
import { header, json } from '../../support/http-response.ts'
import { startBed } from '../bed.ts'
import { HANDSHAKE, openHttp2WebSocket, openRaw, openWebSocket, playWebSocket } from './sockets.ts'

const hosts = { 'ws.test': { kind: 'http' }, 'wss.test': {} } as const

async function open(t: Parameters<typeof startBed>[0]) {
  const bed = await startBed(t, { hosts })
  const server = playWebSocket(bed.server('ws.test').server)
  const client = await openWebSocket(bed, 'ws://ws.test/ws')
  return { bed, client, peer: await server.next() }
}

describe('RFC 6455', () => {
  test('text and binary messages, both ways', async (t) => {
    const { client, peer } = await open(t)
    client.socket.send('grüße')
    client.socket.send(Buffer.from([0, 255]))
    client.socket.send('')
    assert.deepEqual(
      [await peer.ear.next(), await peer.ear.next(), await peer.ear.next()],
      [
        { kind: 'text', data: Buffer.from('grüße').toString('latin1') },
        { kind: 'binary', data: '\0\xff' },
        { kind: 'text', data: '' },
      ],
    )
    peer.socket.send('back')
    peer.socket.send(Buffer.from([1]))
    assert.deepEqual(
      [await client.ear.next(), await client.ear.next()],
      [
        { kind: 'text', data: 'back' },
        { kind: 'binary', data: '\x01' },
      ],
    )
    client.socket.terminate()
  })

  test('fragments arrive as one message, and a ping between them before it', async (t) => {
    const { client, peer } = await open(t)
    client.socket.send('one ', { fin: false })
    client.socket.ping('now')
    client.socket.send('two ', { fin: false })
    client.socket.send('three', { fin: true })
    assert.deepEqual(
      [await peer.ear.next(), await peer.ear.next()],
      [
        { kind: 'ping', data: 'now' },
        { kind: 'text', data: 'one two three' },
      ],
    )
    client.socket.terminate()
  })

  test('pings are answered by the other end, not by the egress', async (t) => {
    const { client, peer } = await open(t)
    client.socket.ping('from client')
    assert.deepEqual(await peer.ear.next(), { kind: 'ping', data: 'from client' })
    peer.socket.pong('from server')
    assert.deepEqual(await client.ear.next(), { kind: 'pong', data: 'from server' })
    peer.socket.ping('?')
    assert.deepEqual(await client.ear.next(), { kind: 'ping', data: '?' })
    client.socket.pong('!')
    assert.deepEqual(await peer.ear.next(), { kind: 'pong', data: '!' })
    client.socket.terminate()
  })

  for (const side of ['client', 'server'] as const) {
    test(`closed by the ${side}: code and reason arrive, and the record is written`, async (t) => {
      const { bed, client, peer } = await open(t)
      const [closing, other] = side === 'client' ? [client, peer] : [peer, client]
      closing.socket.close(4001, 'enough')
      assert.deepEqual(await other.ear.next(), { kind: 'close', data: 'enough', code: 4001 })
      assert.deepEqual(await closing.ear.next(), { kind: 'close', data: 'enough', code: 4001 })
      const record = await bed.record(({ protocol }) => protocol === 'websocket')
      assert.deepEqual(
        [record.decision, record.code, record.status, record.url],
        ['allowed', '', 101, 'http://ws.test/ws'],
      )
    })
  }

  test('a close without a code stays without one', async (t) => {
    const { client, peer } = await open(t)
    client.socket.close()
    assert.deepEqual(await peer.ear.next(), { kind: 'close', data: '', code: 1005 })
  })

  test('what a server says right before it goes away still arrives', async (t) => {
    const { client, peer } = await open(t)
    for (let count = 0; count < 100; count++) peer.socket.send(`message ${count}`)
    peer.socket.close(1000)
    for (let count = 0; count < 100; count++) assert.equal((await client.ear.next()).data, `message ${count}`)
    assert.equal((await client.ear.next()).code, 1000)
  })

  test('a connection that just ends ends on the other side', async (t) => {
    for (const side of ['client', 'peer'] as const) {
      const pair = await open(t)
      pair[side].socket.terminate()
      const other = side === 'client' ? pair.peer : pair.client
      assert.equal((await other.ear.next()).code, 1006)
      await pair.bed.record(({ protocol }) => protocol === 'websocket')
    }
  })

  test('a message that comes with the handshake is not lost', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('ws.test').server)
    const socket = await connectTunnel(bed.proxy, 'ws.test:80')
    const masked = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
    socket.write(Buffer.concat([Buffer.from(`GET /ws HTTP/1.1\r\nHost: ws.test\r\n${HANDSHAKE}\r\n`), masked]))
    assert.deepEqual(await (await server.next()).ear.next(), { kind: 'text', data: 'hi' })
    socket.destroy()
  })

  test('over TLS', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('wss.test').server)
    const client = await openWebSocket(bed, 'wss://wss.test/ws?a=b')
    const peer = await server.next()
    assert.equal(peer.request.url, '/ws?a=b')
    client.socket.send('secret')
    assert.equal((await peer.ear.next()).data, 'secret')
    client.socket.close()
    assert.equal((await bed.record(() => true)).url, 'https://wss.test/ws?a=b')
  })

  test('megabytes in one message, while the other side is slow to read', async (t) => {
    const { client, peer } = await open(t)
    peer.socket.pause()
    const big = Buffer.alloc(8_000_000, 'x')
    client.socket.send(big)
    client.socket.send('after')
    peer.socket.resume()
    assert.equal((await peer.ear.next()).data.length, big.length)
    assert.equal((await peer.ear.next()).data, 'after')
    client.socket.terminate()
  })
})

describe('the handshake', () => {
  test('subprotocol, origin and cookies pass; extensions do not', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('ws.test').server, {
      handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
      headers: ['Set-Cookie: a=b', 'X-Extra: c'],
    })
    const client = await openWebSocket(bed, 'ws://ws.test/ws', {
      protocols: ['chat.v1', 'chat.v2'],
      perMessageDeflate: true,
      headers: { Cookie: 'd=e' },
      origin: 'https://app.test',
    })
    const { request } = await server.next()
    assert.equal(client.socket.protocol, 'chat.v2')
    assert.equal(client.socket.extensions, '')
    assert.deepEqual(
      ['cookie', 'origin', 'sec-websocket-protocol', 'sec-websocket-extensions', 'host'].map(
        (name) => request.headers[name],
      ),
      ['d=e', 'https://app.test', 'chat.v1,chat.v2', undefined, 'ws.test'],
    )
    client.socket.terminate()
  })

  test('fields of the answer pass', async (t) => {
    const bed = await startBed(t, { hosts })
    playWebSocket(bed.server('ws.test').server, { headers: ['Set-Cookie: a=b', 'Proxy-Thing: x'] })
    const { response, socket } = await openRaw(bed, 'ws.test')
    assert.deepEqual([header(response, 'Set-Cookie'), header(response, 'Proxy-Thing')], ['a=b', undefined])
    // RFC 6455 section 1.3
    assert.equal(header(response, 'Sec-WebSocket-Accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    socket.destroy()
  })

  test('an answer that is not 101 is passed on as any other', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'ws.test': {
          kind: 'http',
          handler: (_request, response) => void response.writeHead(401, { 'X-Why': 'no' }).end('who?'),
        },
      },
    })
    const { response } = await openRaw(bed, 'ws.test')
    assert.deepEqual([response.status, header(response, 'X-Why'), response.body.toString()], [401, 'no', 'who?'])
    const [record] = bed.records
    assert.deepEqual([record?.status, record?.protocol, record?.bytes_in], [401, 'websocket', 4])
  })

  test('an upstream that accepts with a wrong key is not believed', async (t) => {
    const wrong =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'
    const bed = await startBed(t, {
      hosts: {
        'ws.test': {
          kind: 'tcp',
          onConnection: (socket) => socket.on('error', () => {}).once('data', () => socket.write(wrong)),
        },
      },
    })
    const { response } = await openRaw(bed, 'ws.test')
    bed.denied(response, { status: 502, code: 'upstream_protocol', host: 'ws.test', blocked: false })
  })

  const bad: Readonly<Record<string, string>> = {
    'without a version': HANDSHAKE.replace('Sec-WebSocket-Version: 13\r\n', ''),
    'with another version': HANDSHAKE.replace('13', '8'),
    'without a key': HANDSHAKE.replace(/Sec-WebSocket-Key.*\r\n/, ''),
    'with a short key': HANDSHAKE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'AAAA'),
  }
  for (const [what, fields] of Object.entries(bad)) {
    test(`${what} is refused`, async (t) => {
      const bed = await startBed(t, { hosts })
      const { response } = await openRaw(bed, 'ws.test', fields)
      bed.denied(response, {
        status: 400,
        code: 'bad_request',
        host: 'ws.test',
        reason: 'malformed WebSocket handshake',
      })
      bed.nothingLeft()
    })
  }

  test('by POST is refused', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'ws.test:80')
    const response = await rawRequest(socket, `POST /ws HTTP/1.1\r\nHost: ws.test\r\n${HANDSHAKE}\r\n`)
    assert.equal(response.status, 400)
    bed.nothingLeft()
  })

  test('to a host that is not allowed is denied', async (t) => {
    const bed = await startBed(t, { hosts })
    const { response } = await openRaw(bed, 'evil.test')
    bed.denied(response, { status: 403, code: 'domain_denied', host: 'evil.test' })
  })

  test('another upgrade is no upgrade: the field is dropped', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'ws.test:80')
    const response = await rawRequest(
      socket,
      'GET / HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n',
    )
    assert.equal(response.status, 200)
    assert.deepEqual(json(response)['headers'], ['Host', 'ws.test', 'Connection', 'keep-alive'])
    socket.destroy()
  })

  test('a client that leaves during it: the upstream is left, and there is a record', async (t) => {
    const bed = await startBed(t, {
      hosts: { 'ws.test': { kind: 'tcp', onConnection: (socket) => void socket.on('error', () => {}).resume() } },
    })
    const arrived = once(bed.server('ws.test').server, 'connection')
    const socket = await connectTunnel(bed.proxy, 'ws.test:80')
    socket.write(`GET /ws HTTP/1.1\r\nHost: ws.test\r\n${HANDSHAKE}\r\n`)
    const [upstream] = (await arrived) as [NodeJS.EventEmitter]
    socket.destroy()
    await once(upstream, 'close')
    const record = await bed.record(() => true)
    assert.deepEqual([record.code, record.protocol], ['client_aborted', 'websocket'])
  })
})

describe('RFC 8441', () => {
  test('messages and closing, both ways, to an upstream that speaks RFC 6455', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('wss.test').server, { handleProtocols: () => 'chat' })
    const client = await openHttp2WebSocket(bed, 'wss.test', {
      'sec-websocket-protocol': 'chat',
      origin: 'https://app.test',
    })
    const peer = await server.next()
    assert.deepEqual([client.response[':status'], client.response['sec-websocket-protocol']], [200, 'chat'])
    assert.deepEqual(
      [peer.request.method, peer.request.headers.host, peer.request.headers.origin],
      ['GET', 'wss.test', 'https://app.test'],
    )
    client.sender.send(Buffer.from('hello'), { binary: false, fin: true, mask: true, compress: false }, () => {})
    assert.deepEqual(await peer.ear.next(), { kind: 'text', data: 'hello' })
    peer.socket.send('back')
    assert.deepEqual(await client.ear.next(), { kind: 'text', data: 'back' })
    client.sender.close(4002, Buffer.from('bye'), true, () => client.stream.end())
    assert.deepEqual(await peer.ear.next(), { kind: 'close', data: 'bye', code: 4002 })
    const record = await bed.record(() => true)
    assert.deepEqual(
      [record.protocol, record.method, record.status, record.bytes_out, record.bytes_in],
      ['websocket', 'GET', 101, 8, 7],
    )
    client.session.destroy()
  })

  test('several on one session, beside requests', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('wss.test').server)
    const clients = [await openHttp2WebSocket(bed, 'wss.test'), await openHttp2WebSocket(bed, 'wss.test')]
    for (const client of clients) {
      const peer = await server.next()
      peer.socket.send('to you')
      assert.equal((await client.ear.next()).data, 'to you')
    }
    for (const { session } of clients) session.destroy()
  })

  test('a client that resets the stream ends the upstream connection', async (t) => {
    const bed = await startBed(t, { hosts })
    const server = playWebSocket(bed.server('wss.test').server)
    const client = await openHttp2WebSocket(bed, 'wss.test')
    const peer = await server.next()
    client.stream.close()
    assert.equal((await peer.ear.next()).kind, 'close')
    await bed.record(({ protocol }) => protocol === 'websocket')
    client.session.destroy()
  })

  test('to a host that is not allowed is denied', async (t) => {
    const bed = await startBed(t, { hosts, config: { domains: { list: ['ws.test'] } } })
    const { response, session } = await openHttp2WebSocket(bed, 'wss.test')
    assert.equal(response[':status'], 403)
    session.destroy()
  })

  test('another protocol than websocket is refused', async (t) => {
    const bed = await startBed(t, { hosts })
    const { response, session } = await openHttp2WebSocket(bed, 'wss.test', { ':protocol': 'connect-udp' })
    assert.equal(response[':status'], 400)
    bed.nothingLeft()
    session.destroy()
  })
})
