/**
 * The authority serves any host a workload asks for with a certificate that clients accept when they trust the
 * authority and check everything. Leaves are made when needed, kept in bounded memory, and renewed before they end.
 */
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import tls from 'node:tls'
import { CertificateAuthority } from '../../../src/egress/tls/authority.ts'
import { LeafCache, type Leaf } from '../../../src/egress/tls/leaf-cache.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'
import { run } from '../../support/command.ts'
import { tlsOver } from '../../support/proxy-client.ts'
import { missingTools } from '../../support/requires.ts'
import { withFolder } from '../../support/temporary.ts'

const DAY = 86_400_000
const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.test`
const HOSTS = [
  'api.example.com',
  'localhost',
  '_dmarc.example.com',
  'xn--bcher-kva.example',
  LONG,
  '192.0.2.7',
  '2001:db8::7',
]

test('Node accepts the certificate of every kind of host', async (t) => {
  const authority = await open(t)
  for (const host of HOSTS) {
    const socket = await tlsOver(await connect(t, authority, host), { ca: authority.certificatePem, servername: host })
    assert.equal(socket.authorized, true)
    socket.destroy()
  }
})

test(
  'OpenSSL accepts it by strict rules, in TLS 1.2 and 1.3, and gets no older version',
  { skip: missingTools('openssl') },
  async (t) => {
    const authority = await open(t)
    for (const host of HOSTS) {
      const port = await serve(t, authority, host)
      const name = net.isIP(host) === 0 ? ['-servername', host, '-verify_hostname', host] : ['-verify_ip', host]
      const trust = ['-CAfile', authority.certificatePath, '-x509_strict', '-verify_return_error']
      const sClient = (...version: string[]) =>
        run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...trust, ...name, ...version])
      for (const version of ['-tls1_2', '-tls1_3']) {
        const { code, stdout, stderr } = await sClient(version)
        assert.equal(code, 0, stdout + stderr)
        assert.match(stdout, /Verify return code: 0 \(ok\)/)
      }
      const { code, stderr } = await sClient('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0')
      assert.notEqual(code, 0)
      assert.match(stderr, /alert protocol version/)
    }
  },
)

test('curl accepts it', { skip: missingTools('curl') }, async (t) => {
  const authority = await open(t)
  for (const host of ['api.example.com', LONG]) {
    const port = await serve(t, authority, host)
    const trust = ['--cacert', authority.certificatePath, '--resolve', `${host}:${port}:127.0.0.1`, '--noproxy', '*']
    const { code, stdout, stderr } = await run('curl', ['-sS', ...trust, `https://${host}:${port}/`])
    assert.deepEqual([code, stdout], [0, 'served'], stderr)
  }
})

test('Python accepts it by strict rules', { skip: missingTools('python3') }, async (t) => {
  const authority = await open(t)
  const script = `
import socket, ssl, sys
host, port, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(("127.0.0.1", int(port))) as plain:
    with context.wrap_socket(plain, server_hostname=host) as secure:
        print(secure.version())`
  for (const host of HOSTS) {
    const port = await serve(t, authority, host)
    const { code, stdout, stderr } = await run('python3', ['-c', script, host, String(port), authority.certificatePath])
    assert.deepEqual([code, stdout], [0, 'TLSv1.3\n'], stderr)
  }
})

test('a leaf of one host does not do for another', async (t) => {
  const authority = await open(t)
  for (const servername of ['example.com', 'x.api.example.com', 'api.example.org']) {
    const socket = await connect(t, authority, 'api.example.com')
    await assert.rejects(tlsOver(socket, { ca: authority.certificatePem, servername }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  }
})

test('leaves have serial numbers of their own: 16 bytes, positive', async (t) => {
  const authority = await open(t)
  const serials = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => (await leafOf(t, authority, `host-${index}.test`)).serialNumber),
  )
  assert.equal(new Set(serials).size, 20)
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/)
})

test('a leaf is made once, and again before it ends', async (t) => {
  let now = Date.now()
  const authority = await open(t, () => now)
  const host = hostname('api.example.com')
  const first = authority.contextFor(host)
  now += 80 * DAY
  assert.equal(authority.contextFor(host), first)
  now += 4 * DAY
  const second = authority.contextFor(host)
  assert.notEqual(second, first)
  now -= 84 * DAY
  assert.notEqual(authority.contextFor(host), second, 'a leaf from the future is of no use when the clock was set back')
})

test('a leaf is valid from a day ago, for less than 398 days, and no longer than its authority', async (t) => {
  const start = Date.now()
  let now = start
  const authority = await open(t, () => now)
  const fresh = await leafOf(t, authority, 'a.test')
  assert.ok(fresh.validFromDate.getTime() <= start - DAY + 1000)
  assert.ok(fresh.validToDate.getTime() - fresh.validFromDate.getTime() <= 398 * DAY)

  now = authority.expires.getTime() - 3 * DAY
  const host = hostname('late.test')
  const late = authority.contextFor(host)
  assert.equal(authority.contextFor(host), late, 'the last leaf is not made anew each time')
  assert.deepEqual((await leafOf(t, authority, host)).validToDate, authority.expires)

  now = authority.expires.getTime()
  assert.throws(() => authority.contextFor(host), { code: 'ca_unusable', message: /expired on/ })
  now = start - 2 * DAY
  assert.throws(() => authority.contextFor(host), { code: 'ca_unusable', message: /not valid before/ })
})

test('a workload that asks for ever new hosts does not fill the memory', () => {
  const cache = new LeafCache(3)
  const leaf: Leaf = { context: tls.createSecureContext(), validFrom: 0, renewAt: Infinity }
  let minted = 0
  const ask = (host: string) => cache.get(hostname(host), 1, () => (minted++, leaf))
  for (const host of ['a', 'b', 'c', 'a', 'd', 'a', 'b']) ask(`${host}.test`)
  assert.equal(cache.size, 3)
  assert.equal(minted, 5, 'a was in use and stayed, b had gone')
})

async function open(t: TestContext, clock = Date.now): Promise<CertificateAuthority> {
  return CertificateAuthority.open(join(await withFolder(t), 'ca'), { cage: 'demo', clock })
}

function hostname(text: string): Hostname {
  const host = parseHostname(text)
  assert.ok(host)
  return host
}

/** A server on 127.0.0.1 that serves everybody with the leaf of `host`. */
async function serve(t: TestContext, authority: CertificateAuthority, host: string): Promise<number> {
  const server = net.createServer((socket) => {
    const secureContext = authority.contextFor(hostname(host))
    const secure = new tls.TLSSocket(socket, { isServer: true, secureContext })
    // Clients that refuse the certificate end the connection with an alert.
    secure.on('error', () => socket.destroy())
    secure.once('data', () => secure.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nserved'))
  })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as net.AddressInfo).port
}

async function connect(t: TestContext, authority: CertificateAuthority, host: string): Promise<net.Socket> {
  const socket = net.connect(await serve(t, authority, host), '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function leafOf(t: TestContext, authority: CertificateAuthority, host: string): Promise<X509Certificate> {
  const plain = await connect(t, authority, host)
  const socket = tls.connect({ socket: plain, servername: host, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  assert.ok(certificate)
  return certificate
}
