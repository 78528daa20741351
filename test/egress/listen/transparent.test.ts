/**
 * A captured connection is told apart by its first bytes: TLS goes where its server name says, HTTP where its Host
 * says, both on the port that the connection was meant for. What names no destination is closed and recorded.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import tls from 'node:tls'
import { json } from '../../support/http-response.ts'
import { connectTcp, http2Over, http2Request, rawRequest, tlsOver } from '../../support/proxy-client.ts'
import { startBed, type Bed } from '../bed.ts'

const hosts = { 'api.test': {}, 'plain.test': { kind: 'http' } } as const

async function captured(t: TestContext) {
  const bed = await startBed(t, { hosts, transparent: [443, 80, 0] })
  const [secure = '', plain = '', own = ''] = bed.transparent
  return { bed, secure, plain, own }
}

describe('TLS', () => {
  test('HTTP/1.1 and HTTP/2 by server name', async (t) => {
    const { bed, secure } = await captured(t)
    const socket = await tlsOver(await connectTcp(secure), { ca: bed.ca, servername: 'api.test', alpn: ['http/1.1'] })
    assert.equal(json(await rawRequest(socket, 'GET /1 HTTP/1.1\r\nHost: api.test\r\n\r\n'))['url'], '/1')
    const session = await http2Over(await connectTcp(secure), 'https://api.test', {
      ca: bed.ca,
      servername: 'api.test',
    })
    assert.equal((await http2Request(session, { ':path': '/2' })).status, 200)
    assert.deepEqual(
      bed.records.map(({ url, protocol }) => [url, protocol]),
      [
        ['https://api.test/1', 'http/1.1'],
        ['https://api.test/2', 'h2'],
      ],
    )
    socket.destroy()
    session.close()
  })

  test('Host must be the server name', async (t) => {
    const { bed, secure } = await captured(t)
    const socket = await tlsOver(await connectTcp(secure), { ca: bed.ca, servername: 'api.test' })
    bed.denied(await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n'), {
      status: 403,
      code: 'authority_mismatch',
      host: 'plain.test',
      reason: 'SNI/Host header mismatch: SNI api.test, Host plain.test',
    })
    bed.nothingLeft()
  })

  test('on any port, which belongs to the destination', async (t) => {
    const { bed, own } = await captured(t)
    const port = own.split(':')[1]
    const socket = await tlsOver(await connectTcp(own), { ca: bed.ca, servername: 'api.test' })
    await rawRequest(socket, `GET / HTTP/1.1\r\nHost: api.test:${port}\r\n\r\n`)
    assert.equal(bed.records[0]?.url, `https://api.test:${port}/`)
    socket.destroy()
  })

  test('plain HTTP on the port of TLS goes to that port', async (t) => {
    const { bed, secure } = await captured(t)
    await rawRequest(await connectTcp(secure), 'GET / HTTP/1.1\r\nHost: api.test:443\r\n\r\n')
    assert.equal(bed.records[0]?.url, 'http://api.test:443/')
  })

  const refused: Readonly<Record<string, readonly [string, string, string]>> = {
    'no server name': ['', 'tls', 'TLS without a server name'],
    'a server name that is not a host': [
      'not a host',
      'raw',
      'malformed TLS ClientHello: the server name is not a host name',
    ],
    'an address in disguise': ['0x7f.1', 'raw', 'malformed TLS ClientHello: the server name is not a host name'],
  }
  for (const [what, [sni, protocol, reason]] of Object.entries(refused)) {
    test(`${what}: closed and recorded`, async (t) => {
      const { bed, secure } = await captured(t)
      await assert.rejects(tlsOver(await connectTcp(secure), { ca: bed.ca, servername: 'api.test', sni }))
      assertRefused(bed, { protocol, port: 443, reason })
    })
  }

  test('a client that does not trust the cage is recorded with its reason', async (t) => {
    const { bed, secure } = await captured(t)
    const socket = tls.connect({ socket: await connectTcp(secure), servername: 'api.test' })
    await assert.rejects(once(socket, 'secureConnect'))
    socket.destroy()
    const { protocol, host, port, code, reason } = await bed.record(() => true)
    assert.deepEqual([protocol, host, port, code], ['tls', 'api.test', 443, 'tls_handshake_failed'])
    assert.match(reason, /^TLS handshake failed/)
    assert.equal(bed.records.length, 1)
  })

  test('a client without a version or a cipher in common is recorded', async (t) => {
    const { bed, secure } = await captured(t)
    const socket = tls.connect({
      socket: await connectTcp(secure),
      servername: 'api.test',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    await assert.rejects(once(socket, 'secureConnect'))
    assert.equal((await bed.record(() => true)).code, 'tls_handshake_failed')
  })

  test('a client that hangs up after its hello is recorded', async (t) => {
    const { bed, secure } = await captured(t)
    const socket = tls.connect({ socket: await connectTcp(secure), servername: 'api.test', ca: bed.ca })
    socket.on('error', () => {})
    socket.once('session', () => {})
    setImmediate(() => socket.destroy())
    const { protocol } = await bed.record(() => true)
    assert.equal(protocol, 'tls')
  })
})

describe('HTTP', () => {
  test('by Host', async (t) => {
    const { bed, plain } = await captured(t)
    assert.equal(
      json(await rawRequest(await connectTcp(plain), 'GET /x HTTP/1.1\r\nHost: plain.test\r\n\r\n'))['url'],
      '/x',
    )
    assert.equal(bed.records[0]?.url, 'http://plain.test/x')
  })

  test('several hosts may share a connection', async (t) => {
    const { bed, plain } = await captured(t)
    const socket = await connectTcp(plain)
    assert.equal((await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')).status, 200)
    assert.equal((await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n')).status, 403)
    assert.deepEqual(
      bed.records.map(({ host }) => host),
      ['plain.test', 'evil.test'],
    )
    socket.destroy()
  })

  test('a Host with another port than that of the connection is refused', async (t) => {
    const { bed, plain } = await captured(t)
    const response = await rawRequest(await connectTcp(plain), 'GET / HTTP/1.1\r\nHost: plain.test:8080\r\n\r\n')
    bed.denied(response, { status: 403, code: 'authority_mismatch', host: 'plain.test:8080' })
  })

  test('CONNECT is not for captured connections', async (t) => {
    const { bed, plain } = await captured(t)
    const response = await rawRequest(
      await connectTcp(plain),
      'CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n',
    )
    bed.denied(response, { status: 400, code: 'bad_request', host: 'api.test:443', reason: 'CONNECT inside a tunnel' })
  })
})

describe('anything else is closed and recorded', () => {
  const openings: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    SSH: [Buffer.from('SSH-2.0-OpenSSH_9.9\r\n'), /^neither TLS nor HTTP$/],
    'SOCKS5 where it was not asked for': [Buffer.from([5, 1, 0]), /^SOCKS where it is not expected$/],
    'HTTP/2 without TLS': [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/2 without TLS is not supported$/],
    NUL: [Buffer.alloc(100), /^neither TLS nor HTTP$/],
    'a method that never ends': [Buffer.from('A'.repeat(100)), /^neither TLS nor HTTP$/],
    'a TLS record that is no hello': [Buffer.from([22, 3, 1, 0, 5, 2, 0, 0, 1, 0]), /^malformed TLS ClientHello/],
    'SSL 2': [Buffer.from([0x80, 0x2e, 1, 3, 1]), /^neither TLS nor HTTP$/],
    'half a hello, and the end': [Buffer.from([22, 3, 1, 1, 0, 1, 0]), /^closed before its opening was complete$/],
    'half a method, and the end': [Buffer.from('GE'), /^closed before its opening was complete$/],
  }
  for (const [what, [bytes, reason]] of Object.entries(openings)) {
    test(what, async (t) => {
      const { bed, secure } = await captured(t)
      const socket = await connectTcp(secure)
      socket.on('error', () => {}).resume()
      const closed = once(socket, 'close')
      socket.end(bytes)
      await closed
      const record = await bed.record(() => true)
      assert.match(record.reason, reason)
      assert.deepEqual(
        [record.protocol, record.port, record.decision, record.code],
        ['raw', 443, 'blocked', 'protocol_unsupported'],
      )
      bed.nothingLeft()
    })
  }

  test('a probe that says nothing leaves no record', async (t) => {
    const { bed, secure } = await captured(t)
    const probe = await connectTcp(secure)
    probe.end().resume()
    await once(probe, 'close')
    const socket = await connectTcp(secure)
    socket.resume().end('nonsense here\r\n')
    await bed.record(({ protocol }) => protocol === 'raw')
    assert.equal(bed.records.length, 1)
  })
})

test('thousands of connections at once are not taken, and those that are go on', async (t) => {
  const { plain } = await captured(t)
  const first = await connectTcp(plain)
  const sockets = []
  for (let count = 0; count < 2100; count += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => connectTcp(plain)))))
  }
  for (const socket of sockets) socket.on('error', () => {}).resume()
  assert.equal((await rawRequest(first, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')).status, 200)
  const refused = sockets.at(-1)
  if (refused?.destroyed === false) await once(refused, 'close')
  for (const socket of sockets) socket.destroy()
  first.destroy()
})

function assertRefused(
  bed: Bed,
  expected: { readonly protocol: string; readonly port: number; readonly reason: string },
): void {
  assert.equal(bed.records.length, 1)
  const [record] = bed.records
  assert.deepEqual({ protocol: record?.protocol, port: record?.port, reason: record?.reason }, expected)
  assert.deepEqual([record?.decision, record?.code], ['blocked', 'protocol_unsupported'])
}
