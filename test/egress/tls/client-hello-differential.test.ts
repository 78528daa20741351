/**
 * Two readers of one hello must not see two names: we judge a connection by the name that `readClientHello` finds,
 * then OpenSSL serves it. Whenever OpenSSL goes along with a hello, we refused it, or saw the same name and the same
 * protocols. Hellos are those of real clients, mutated; OpenSSL's view is that of Node's TLS server.
 */
import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { before, test } from 'node:test'
import tls from 'node:tls'
import { readClientHello } from '../../../src/egress/tls/client-hello.ts'
import { fuzz, mutate, type Random } from '../../support/fuzz.ts'
import { TestAuthority } from '../../support/test-authority.ts'
import { alpn, extension, hello, refragment, serverName } from './hello-builder.ts'
import { captureHellos } from './real-hellos.ts'

let corpus: Buffer[] = []
before(async () => {
  corpus = (await captureHellos()).map(({ bytes }) => bytes)
})

/** What OpenSSL made of some bytes: undefined if it refused them or waits for more. */
interface ServerView {
  readonly serverName: string | undefined
  readonly alpn: readonly string[]
}

test('OpenSSL and we agree on hellos as they are', async () => {
  for (const bytes of corpus) assert.deepEqual(await askOpenSsl(bytes), viewOf(bytes))
})

test('OpenSSL and we never see different names in a mutated hello', async (t) => {
  let accepted = 0
  let refusedByUs = 0
  await fuzz(t, { runs: 1500 }, async (random) => {
    const bytes = mutateHello(random)
    const theirs = await askOpenSsl(bytes)
    if (theirs === undefined) return
    accepted++
    const ours = readClientHello(bytes)
    if (ours.kind === 'invalid') refusedByUs++
    else assert.deepEqual(viewOf(bytes), theirs)
  })
  t.diagnostic(`OpenSSL accepted ${accepted}, of which we refused ${refusedByUs}`)
  assert.ok(accepted > refusedByUs, 'the comparison never took place')
})

test('where OpenSSL is lenient, we refuse', async () => {
  const twice = Buffer.concat([
    extension(0xfafa, Buffer.of(1)),
    extension(0xfafa, Buffer.of(2)),
    serverName('api.test'),
  ])
  const lenient: readonly Buffer[] = [
    // Unknown extensions twice: skipped.
    tls12(twice),
    // Bytes that are no host name.
    tls12(serverName('api.test/../evil.test')),
    tls12(serverName(Buffer.of(0xff, 0xfe))),
  ]
  for (const bytes of lenient) {
    assert.notEqual(await askOpenSsl(bytes), undefined)
    assert.equal(readClientHello(bytes).kind, 'invalid')
  }
})

/** Mutations anywhere, or around the server name and the protocols, where they matter most. */
function mutateHello(random: Random): Buffer {
  const bytes = random.pick(corpus)
  if (random.chance(0.3)) return mutate(random, bytes, { corpus })
  const extensions = [serverName('api.test'), serverName('evil.test'), alpn('h2', 'http/1.1')]
  const chosen = random.chance(0.5) ? [random.pick(extensions), random.pick(extensions)] : [random.pick(extensions)]
  const damaged = chosen.map((one) => (random.chance(0.7) ? repaired(mutate(random, one, { rounds: 2 })) : one))
  const cut = refragment(
    tls12(Buffer.concat(damaged)),
    random.chance(0.3) ? random.chunks(bytes).map((chunk) => chunk.length) : [],
  )
  return random.chance(0.2) ? mutate(random, cut, { rounds: 1 }) : cut
}

/** An extension whose outermost length is right again, so that the damage is inside. */
function repaired(bytes: Buffer): Buffer {
  return bytes.length < 4 ? bytes : extension(bytes.readUInt16BE(0), bytes.subarray(4))
}

/** A hello that a TLS 1.2 server goes along with: suite, curves and signature algorithms for a P-256 certificate. */
function tls12(extensions: Buffer): Buffer {
  const needed = Buffer.concat([
    extension(10, Buffer.of(0, 2, 0, 23)),
    extension(11, Buffer.of(1, 0)),
    extension(13, Buffer.of(0, 2, 4, 3)),
  ])
  return hello({ suites: Buffer.of(0xc0, 0x2b), extensions: Buffer.concat([extensions, needed]) })
}

function viewOf(bytes: Buffer): ServerView | undefined {
  const result = readClientHello(bytes)
  if (result.kind !== 'hello') return undefined
  // Node tells protocols as ASCII, without the first bit of each byte.
  const seven = result.alpn.map((protocol) => Buffer.from(protocol, 'latin1').toString('ascii'))
  return { serverName: result.serverName, alpn: seven }
}

const secureContext = tls.createSecureContext(new TestAuthority().issue('any.test'))

/** Gives a fresh TLS server the bytes and then the end of the connection. */
async function askOpenSsl(bytes: Buffer): Promise<ServerView | undefined> {
  const [client, transport] = duplexPair()
  let view: ServerView = { serverName: undefined, alpn: [] }
  const server = new tls.TLSSocket(transport, {
    isServer: true,
    secureContext,
    SNICallback(name, done) {
      view = { ...view, serverName: name }
      done(null, secureContext)
    },
    ALPNCallback({ protocols }) {
      view = { ...view, alpn: protocols }
      return protocols[0]
    },
  })
  const answer: Buffer[] = []
  client.on('data', (chunk: Buffer) => answer.push(chunk))
  // Few of these handshakes can end well.
  server.on('error', () => {})
  const closed = new Promise((resolve) => server.once('close', resolve))
  server.once('end', () => server.destroy()).resume()
  client.end(bytes)
  await closed
  client.destroy()
  // The first record of the answer: handshake (a ServerHello), or an alert.
  return Buffer.concat(answer)[0] === 22 ? view : undefined
}
