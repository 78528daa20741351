/**
 * A reload counts at once and for everything: the next request, a request whose body is still arriving, a response that
 * still streams. What is no longer allowed ends visibly, and is recorded as blocked; what is still allowed does not
 * notice. A configuration that cannot be used changes nothing.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import type { ServerOptions } from '../support/internet.ts'
import { connectTunnel, get, http2Session, rawRequest, tlsOver } from '../support/proxy-client.ts'
import { startBed, type Bed } from './bed.ts'

/** Begins an answer and goes on when told. */
function slowly() {
  const state: { finish: () => void } = { finish: () => {} }
  const streaming: ServerOptions['streaming'] = (_request, response) => {
    response.write('begun ')
    state.finish = () => response.end('and ended')
  }
  return { state, streaming }
}

async function streamingBed(t: TestContext) {
  const { state, streaming } = slowly()
  const hosts = { 'plain.test': { kind: 'http', streaming }, 'api.test': { streaming }, 'other.test': {} } as const
  return { bed: await startBed(t, { hosts }), state }
}

async function begin(bed: Bed) {
  const socket = await connectTunnel(bed.proxy, 'plain.test:80')
  socket.on('error', () => {})
  socket.write('GET /stream HTTP/1.1\r\nHost: plain.test\r\n\r\n')
  await once(socket, 'readable')
  return socket
}

describe('a response that streams', () => {
  const endings: Readonly<Record<string, readonly [Readonly<Record<string, unknown>>, string]>> = {
    'a host that is taken off the list': [{ domains: { list: ['other.test'] } }, 'domain_denied'],
    'a policy that is taken away': [{ domains: undefined }, 'no_policy'],
    'a host that is blocked': [{ domains: { mode: 'blocklist', list: ['plain.test', 'api.test'] } }, 'domain_denied'],
    'a method that is no longer allowed': [
      { domains: { list: [{ host: 'test', methods: ['POST'] }] } },
      'domain_denied',
    ],
    'a path that is no longer allowed': [{ domains: { list: [{ host: 'test', paths: ['/other'] }] } }, 'domain_denied'],
    'an entry that has ended': [
      { domains: { list: [{ host: 'test', expires: '2020-01-01T00:00:00Z' }] } },
      'domain_expired',
    ],
  }
  for (const [what, [config, code]] of Object.entries(endings)) {
    test(`is cut by ${what}, over HTTP/1.1 and HTTP/2`, async (t) => {
      const { bed } = await streamingBed(t)
      const socket = await begin(bed)
      const session = await http2Session('https://api.test', bed)
      const stream = session.request({ ':path': '/stream' })
      const errors: unknown[] = []
      stream.on('error', (error) => errors.push(error)).resume()
      await once(stream, 'response')
      const cut = [
        rawRequest(socket, '').catch((error: unknown) => error),
        new Promise((resolve) => stream.once('close', resolve)),
      ]
      await bed.reload(config)
      const [incomplete] = await Promise.all(cut)
      assert.ok(incomplete instanceof Error)
      assert.equal(errors.length, 1)
      assert.deepEqual(
        bed.records.map((record) => [record.decision, record.code, record.status]),
        [
          ['blocked', code, 200],
          ['blocked', code, 200],
        ],
      )
      session.destroy()
    })
  }

  test('goes on when its host is still allowed', async (t) => {
    const { bed, state } = await streamingBed(t)
    const socket = await begin(bed)
    await bed.reload({
      domains: { list: ['plain.test'] },
      max_request_body: 1,
      rate_limit: { requests_per_second: 1, burst: 0 },
    })
    state.finish()
    assert.equal((await rawRequest(socket, '')).body.toString(), 'begun and ended')
    socket.destroy()
  })

  const inMs = (milliseconds: number): string => new Date(Date.now() + milliseconds).toISOString()

  test('is cut when its entry ends, by itself', async (t) => {
    const { bed } = await streamingBed(t)
    const socket = await begin(bed)
    await bed.reload({ domains: { list: [{ host: 'plain.test', expires: inMs(100) }] } })
    await assert.rejects(rawRequest(socket, ''), /ended/)
    const [record] = bed.records
    assert.deepEqual([record?.decision, record?.code], ['blocked', 'domain_expired'])
    assert.match(record?.reason ?? '', /^domain allowlist entry expired: plain\.test/)
    const denied = await get('http://plain.test/', bed)
    bed.denied(denied, { status: 403, code: 'domain_expired', host: 'plain.test' })
  })

  test('goes on when it is another entry that ends', async (t) => {
    const { bed } = await streamingBed(t)
    const socket = await begin(bed)
    const secure = await tlsOver(await connectTunnel(bed.proxy, 'api.test:443'), { ca: bed.ca, servername: 'api.test' })
    secure.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await once(secure, 'readable')
    const list = [
      { host: 'api.test', expires: inMs(100) },
      { host: 'plain.test', expires: inMs(3_600_000) },
    ]
    await bed.reload({ domains: { list } })
    await assert.rejects(rawRequest(secure, ''), /ended/)
    assert.deepEqual(
      bed.records.map(({ host, code }) => [host, code]),
      [['api.test', 'domain_expired']],
    )
    socket.destroy()
  })
})

describe('a request whose body is arriving', () => {
  async function half(bed: Bed) {
    const socket = await connectTunnel(bed.proxy, 'other.test:443')
    const secure = await tlsOver(socket, { ca: bed.ca, servername: 'other.test' })
    secure.write('POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n')
    // The head was judged: the body is asked for.
    await once(secure, 'readable')
    return secure
  }

  test('is judged again before it leaves', async (t) => {
    const { bed } = await streamingBed(t)
    const secure = await half(bed)
    await bed.reload({ domains: { list: ['plain.test'] } })
    const response = await rawRequest(secure, '0123456789')
    bed.denied(response, { status: 403, code: 'domain_denied', host: 'other.test' })
    assert.equal(bed.server('other.test').connections, 0)
    secure.destroy()
  })

  test('is sent by the configuration of now', async (t) => {
    const { bed } = await streamingBed(t)
    const secure = await half(bed)
    await bed.reload({ upstream: { connect_to: { 'other.test:443': '127.0.0.1:1' } } })
    const response = await rawRequest(secure, '0123456789')
    assert.equal(response.status, 502)
    secure.destroy()
  })
})

describe('a configuration that cannot be used', () => {
  test('changes nothing', async (t) => {
    const { bed } = await streamingBed(t)
    await assert.rejects(bed.reload({ domains: { list: [] }, upstream: { ca_file: '/nowhere.pem' } }), {
      code: 'config_invalid',
    })
    await assert.rejects(
      bed.reload({ domains: { list: [] }, secret_injection: [{ env: 'MISSING', inject_to: ['*'] }] }),
    )
    assert.equal((await get('https://other.test/', bed)).status, 200)
  })

  test('does not keep a later one from counting', async (t) => {
    const { bed } = await streamingBed(t)
    const [bad, good] = await Promise.allSettled([
      bed.reload({ upstream: { ca_file: '/nowhere.pem' } }),
      bed.reload({ domains: { list: [] } }),
    ])
    assert.deepEqual([bad.status, good.status], ['rejected', 'fulfilled'])
    assert.equal((await get('https://other.test/', bed)).status, 403)
  })
})

test('reloads one after the other count in their order, however many come at once', async (t) => {
  const { bed } = await streamingBed(t)
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => bed.reload({ domains: { list: index % 2 === 0 ? [] : ['other.test'] } })),
  )
  assert.equal((await get('https://other.test/', bed)).status, 200)
})

describe('closing', () => {
  test('waits for what is under way, then ends it', async (t) => {
    const { bed } = await streamingBed(t)
    const socket = await begin(bed)
    const response = rawRequest(socket, '')
    await Promise.all([assert.rejects(response, /ended/), bed.egress.close({ drainMs: 200 })])
    assert.deepEqual(
      bed.records.map(({ decision, code }) => [decision, code]),
      [['blocked', 'egress_closed']],
    )
  })

  test('waits for an upload as well', async (t) => {
    const { bed } = await streamingBed(t)
    const socket = await connectTunnel(bed.proxy, 'other.test:443')
    const secure = await tlsOver(socket, { ca: bed.ca, servername: 'other.test' })
    secure.write('POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 10\r\n\r\n01234')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const closed = bed.egress.close({ drainMs: 60_000 })
    const response = await rawRequest(secure, '56789')
    assert.equal(response.status, 200)
    await closed
  })

  test('lets a client read to the end what it was slow to read', async (t) => {
    const size = 10_000_000
    const bed = await startBed(t, {
      hosts: { 'plain.test': { kind: 'http', handler: (_request, response) => void response.end(Buffer.alloc(size)) } },
    })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
    await once(socket, 'readable')
    const closed = bed.egress.close({ drainMs: 60_000 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal((await rawRequest(socket, '')).body.length, size)
    await closed
  })
})
