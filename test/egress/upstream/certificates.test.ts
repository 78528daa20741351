/**
 * Upstream certificates are always verified, against the very host that the request names: a certificate of another
 * name, one that has expired or one that nobody vouches for gets not one byte of the request, over HTTP/1.1, HTTP/2,
 * gRPC and WebSocket alike. The workload is told that the upstream failed, not that it was blocked.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { get, http2Request, http2Session } from '../../support/proxy-client.ts'
import type { CertificateKind } from '../../support/test-authority.ts'
import { startBed } from '../bed.ts'
import { HANDSHAKE } from '../websocket/sockets.ts'
import { connectTunnel, rawRequest, tlsOver } from '../../support/proxy-client.ts'

const reasons: Readonly<Record<Exclude<CertificateKind, 'valid'>, string>> = {
  'wrong-name': 'ERR_TLS_CERT_ALTNAME_INVALID',
  expired: 'CERT_HAS_EXPIRED',
  'self-signed': 'DEPTH_ZERO_SELF_SIGNED_CERT',
}

for (const [certificate, reason] of Object.entries(reasons)) {
  describe(`a certificate that is ${certificate}`, () => {
    const expected = {
      status: 502,
      code: 'upstream_tls',
      host: 'bad.test',
      reason: `TLS with bad.test:443 failed: ${reason}`,
      blocked: false,
    }
    const kinds = ['HTTP/1.1', 'HTTP/2', 'gRPC', 'WebSocket'] as const
    for (const kind of kinds) {
      test(`${kind}: refused, and the request does not leave`, async (t) => {
        let received = 0
        const bed = await startBed(t, {
          hosts: {
            'bad.test': {
              kind: 'tls',
              certificate: certificate as CertificateKind,
              onConnection: (socket) =>
                void socket.on('error', () => {}).on('data', (chunk: Buffer) => (received += chunk.length)),
            },
          },
        })
        const { server } = bed.server('bad.test')
        const ended = once(server, 'connection').then(([socket]) => once(socket as TLSSocket, 'close'))
        bed.denied(await ask(bed, kind), expected)
        await ended
        assert.equal(received, 0)
      })
    }
  })
}

async function ask(bed: Awaited<ReturnType<typeof startBed>>, kind: 'HTTP/1.1' | 'HTTP/2' | 'gRPC' | 'WebSocket') {
  if (kind === 'HTTP/1.1')
    return get('https://bad.test/', { proxy: bed.proxy, ca: bed.ca, method: 'POST', body: 'secret' })
  if (kind === 'WebSocket') {
    const secure = await tlsOver(await connectTunnel(bed.proxy, 'bad.test:443'), {
      ca: bed.ca,
      servername: 'bad.test',
      alpn: ['http/1.1'],
    })
    return rawRequest(secure, `GET / HTTP/1.1\r\nHost: bad.test\r\n${HANDSHAKE}\r\n`)
  }
  const session = await http2Session('https://bad.test', bed)
  const type = kind === 'gRPC' ? 'application/grpc' : 'text/plain'
  const response = await http2Request(
    session,
    { ':method': 'POST', ':path': '/', 'content-type': type },
    Buffer.from([0, 0, 0, 0, 0]),
  )
  session.destroy()
  return response
}

test('a certificate is checked against the host asked for, not the address that connect_to names', async (t) => {
  const bed = await startBed(t, { hosts: { 'api.test': {}, 'other.test': {} } })
  const other = bed.internet.connectTo['other.test:443'] as string
  await bed.reload({ upstream: { connect_to: { 'api.test:443': other } } })
  bed.denied(await get('https://api.test/', bed), {
    status: 502,
    code: 'upstream_tls',
    host: 'api.test',
    blocked: false,
  })
})

test('an upstream that speaks no TLS, or hangs up in the handshake', async (t) => {
  const bed = await startBed(t, {
    hosts: {
      'plain.test': {
        kind: 'tcp',
        port: 443,
        onConnection: (socket) =>
          void socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      },
      'gone.test': { kind: 'tcp', port: 443, onConnection: (socket) => void socket.on('error', () => {}).destroy() },
    },
  })
  for (const host of ['plain.test', 'gone.test']) {
    bed.denied(await get(`https://${host}/`, bed), {
      status: 502,
      code: 'upstream_tls',
      host,
      reason: `TLS with ${host}:443 failed`,
      blocked: false,
    })
  }
})

test('without ca_file only the usual authorities are trusted', async (t) => {
  const bed = await startBed(t, {
    hosts: { 'api.test': {} },
    change: (config) => ({ ...config, upstream: { ...config.upstream, ca_file: undefined } }),
  })
  bed.denied(await get('https://api.test/', bed), {
    status: 502,
    code: 'upstream_tls',
    host: 'api.test',
    blocked: false,
  })
})

test('an address is checked against the addresses in the certificate', async (t) => {
  const bed = await startBed(t, { hosts: { '127.0.0.1': {} } })
  assert.equal((await get('https://127.0.0.1/', bed)).status, 200)
})
