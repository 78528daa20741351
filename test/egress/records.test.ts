/**
 * Every exchange leaves exactly one record, which says who asked whom for what, what was decided and why, and what was
 * moved. Denials carry a body of one shape, whose `id` finds the record. URLs stand there as the workload sent them.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { header, json } from '../support/http-response.ts'
import { connectTunnel, get, http2Request, http2Session, rawRequest } from '../support/proxy-client.ts'
import { startBed } from './bed.ts'

const hosts = { 'api.test': {}, 'plain.test': { kind: 'http' } } as const
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('an allowed exchange, with all fields', async (t) => {
  const bed = await startBed(t, { hosts })
  const response = await get('https://api.test/v1/x?y=z', {
    proxy: bed.proxy,
    ca: bed.ca,
    method: 'PUT',
    body: 'hello',
  })
  const [record] = bed.records
  assert.match(record?.id ?? '', UUID)
  assert.ok((record?.duration_ms ?? 0) > 0)
  assert.deepEqual(record, {
    id: record?.id,
    direction: 'outbound',
    protocol: 'http/1.1',
    method: 'PUT',
    host: 'api.test',
    port: 443,
    path: '/v1/x?y=z',
    url: 'https://api.test/v1/x?y=z',
    decision: 'allowed',
    reason: '',
    code: '',
    status: 200,
    bytes_out: 5,
    bytes_in: response.body.length,
    duration_ms: record?.duration_ms,
    upstream_ip: '127.0.0.1',
  })
})

test('ids differ, and each denial has its own', async (t) => {
  const bed = await startBed(t, { hosts })
  const ids = new Set<unknown>()
  for (let count = 0; count < 20; count++) ids.add(json(await get('http://evil.test/', bed))['id'])
  assert.equal(ids.size, 20)
  assert.deepEqual(
    bed.records.map(({ id }) => id),
    [...ids],
  )
})

test('the record is there before the response ends', async (t) => {
  const bed = await startBed(t, { hosts })
  const session = await http2Session('https://api.test', bed)
  for (let count = 1; count <= 20; count++) {
    await (count % 2 === 0 ? get('http://plain.test/', bed) : http2Request(session, { ':path': '/' }))
    assert.equal(bed.records.length, count)
  }
  session.close()
})

test('without allowed_requests only what was not allowed is recorded', async (t) => {
  const bed = await startBed(t, { hosts, config: { logging: { allowed_requests: false } } })
  await get('https://api.test/', bed)
  assert.equal(bed.records.length, 0)
  bed.denied(await get('https://evil.test/', bed), { status: 403, code: 'domain_denied', host: 'evil.test' })
})

describe('the body of a denial', () => {
  test('is JSON with its keys in one order, and is not cached', async (t) => {
    const bed = await startBed(t, { hosts })
    const response = await get('https://evil.test/x?secret=1', bed)
    const { id } = json(response)
    assert.equal(
      response.body.toString(),
      `{"blocked":true,"reason":"domain not in allowlist: evil.test","host":"evil.test","by":"agentcage","code":"domain_denied","id":"${String(id)}"}`,
    )
    assert.deepEqual(
      ['Content-Type', 'Cache-Control', 'Content-Length'].map((name) => header(response, name)),
      ['application/json', 'no-store', String(response.body.length)],
    )
  })

  test('is the same over HTTP/2, and absent for HEAD', async (t) => {
    const bed = await startBed(t, { hosts })
    const session = await http2Session('https://evil.test', bed)
    const response = await http2Request(session, { ':path': '/' })
    bed.denied(response, { status: 403, code: 'domain_denied', host: 'evil.test' })
    assert.equal(response.headers['content-type'], 'application/json')
    const head = await http2Request(session, { ':path': '/', ':method': 'HEAD' })
    assert.deepEqual([head.status, head.body.length], [403, 0])
    session.close()
    const socket = await connectTunnel(bed.proxy, 'evil.test:80')
    for (let count = 0; count < 2; count++) {
      const plain = await rawRequest(socket, 'HEAD / HTTP/1.1\r\nHost: evil.test\r\n\r\n')
      assert.deepEqual([plain.status, plain.body.length], [403, 0])
    }
    socket.destroy()
  })

  test('says that nothing is allowed where there is no policy', async (t) => {
    const bed = await startBed(t, { hosts, config: { domains: undefined } })
    bed.denied(await get('https://api.test/', bed), {
      status: 403,
      code: 'no_policy',
      host: 'api.test',
      reason: 'no domain allowlist configured (default-deny): api.test',
    })
  })

  test('names an address as it is asked for', async (t) => {
    const bed = await startBed(t, { hosts })
    bed.denied(await get('http://[2001:db8::1]/', bed), { status: 403, code: 'domain_denied', host: '2001:db8::1' })
    assert.equal(bed.records[0]?.url, 'http://[2001:db8::1]/')
  })

  test('of a long host is bounded, as is the record', async (t) => {
    const bed = await startBed(t, { hosts })
    const socket = await connectTunnel(bed.proxy, 'api.test:80')
    const response = await rawRequest(
      socket,
      `GET /${'p'.repeat(20_000)} HTTP/1.1\r\nHost: ${'a'.repeat(30_000)}\r\n\r\n`,
    )
    assert.equal(response.status, 400)
    assert.ok(response.body.length < 40_000)
    socket.destroy()
  })
})

describe('rates', () => {
  const config = { rate_limit: { requests_per_second: 0.1, burst: 2 } }

  test('beyond the burst: 429 with the seconds to wait, for each host by itself', async (t) => {
    const bed = await startBed(t, { hosts, config })
    assert.deepEqual(
      [(await get('https://api.test/', bed)).status, (await get('https://api.test/', bed)).status],
      [200, 200],
    )
    const denied = await get('https://api.test/', bed)
    bed.denied(denied, { status: 429, code: 'rate_limited', host: 'api.test', reason: 'rate limit exceeded' })
    assert.match(header(denied, 'Retry-After') ?? '', /^(?:9|10)$/)
    assert.equal((await get('http://plain.test/', bed)).status, 200)
    assert.deepEqual(bed.records[2]?.inspectors, [
      { name: 'rate-limit', action: 'block', reason: 'rate limit exceeded', severity: 'warning' },
    ])
  })

  test('a reload that leaves the limit as it is leaves the buckets as they are', async (t) => {
    const bed = await startBed(t, { hosts, config })
    for (let count = 0; count < 2; count++) await get('https://api.test/', bed)
    await bed.reload({ max_request_body: 5 })
    assert.equal((await get('https://api.test/', bed)).status, 429)
    await bed.reload({ rate_limit: { requests_per_second: 0 } })
    assert.equal((await get('https://api.test/', bed)).status, 200)
  })

  test('HTTP/2 streams count one by one', async (t) => {
    const bed = await startBed(t, { hosts, config })
    const session = await http2Session('https://api.test', bed)
    const answers = await Promise.all([1, 2, 3].map((path) => http2Request(session, { ':path': `/${path}` })))
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((one, other) => one - other),
      [200, 200, 429],
    )
    session.close()
  })
})

describe('an audit log that cannot be written', () => {
  test('requests are denied without being sent, and go on when it can', async (t) => {
    const bed = await startBed(t, { hosts })
    bed.audit.isBroken = true
    for (const url of ['https://api.test/', 'http://plain.test/', 'https://evil.test/']) {
      const denied = await get(url, bed)
      assert.deepEqual([denied.status, json(denied)['code']], [403, 'audit_unavailable'])
    }
    bed.nothingLeft()
    bed.audit.isBroken = false
    assert.equal((await get('https://api.test/', bed)).status, 200)
  })

  test('that breaks during an exchange: its answer stays incomplete', async (t) => {
    let finish: (() => void) | undefined
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          streaming: (_request, response) => {
            response.write('most of it')
            finish = () => response.end(' and the rest')
          },
        },
      },
    })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.on('error', () => {})
    const response = rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
    await new Promise((resolve) => socket.once('readable', resolve))
    bed.audit.isBroken = true
    finish?.()
    await assert.rejects(response, /ended/)
    assert.equal(bed.records.length, 0)
    assert.match(bed.messages.join('\n'), /audit: /)
  })

  const wholes: Readonly<
    Record<
      string,
      {
        readonly method?: string
        readonly status: number
        readonly fields: Record<string, string>
        readonly body?: string
      }
    >
  > = {
    'with a length': { status: 200, fields: { 'Content-Length': '5' }, body: 'whole' },
    'with the length 0': { status: 200, fields: { 'Content-Length': '0' } },
    'in chunks': { status: 200, fields: {}, body: 'whole' },
    'to HEAD': { method: 'HEAD', status: 200, fields: { 'Content-Length': '5' } },
    204: { status: 204, fields: {} },
    304: { status: 304, fields: {} },
  }
  for (const [what, { method = 'GET', status, fields, body }] of Object.entries(wholes)) {
    for (const secrets of [false, true]) {
      test(`an answer ${what} that cannot be recorded is never whole${secrets ? ', redacted' : ''}`, async (t) => {
        const bed = await startBed(t, {
          hosts: {
            'plain.test': {
              kind: 'http',
              handler: (_request, response) => {
                bed.audit.isBroken = true
                response.writeHead(status, fields).end(body)
              },
            },
          },
          ...(secrets
            ? {
                config: { secret_injection: [{ env: 'KEY', inject_to: ['http://plain.test'] }] },
                secrets: { KEY: 'a-secret-value' },
              }
            : {}),
        })
        const response = await get('http://plain.test/', { proxy: bed.proxy, method }).catch((error: unknown) => error)
        if (!(response instanceof Error)) assert.equal((response as { status: number }).status, 403)
        assert.equal(bed.records.length, 0)
      })
    }
  }

  test('a client of HTTP/1.0 is told by a reset', async (t) => {
    let finish = (): void => {}
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response) => {
            bed.audit.isBroken = true
            response.write('most of it')
            finish = () => response.end(' and the rest')
          },
        },
      },
    })
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    socket.write('GET / HTTP/1.0\r\nHost: plain.test\r\n\r\n')
    await once(socket, 'data')
    finish()
    await assert.rejects(once(socket, 'end'), { code: 'ECONNRESET' })
  })

  test('a short answer that cannot be recorded is not given at all', async (t) => {
    const bed = await startBed(t, {
      hosts: {
        'plain.test': {
          kind: 'http',
          handler: (_request, response) => {
            bed.audit.isBroken = true
            response.end('short')
          },
        },
      },
      config: { secret_injection: [{ env: 'KEY', inject_to: ['http://plain.test'] }] },
      secrets: { KEY: 'a-secret-value' },
    })
    const denied = await get('http://plain.test/', bed)
    assert.deepEqual([denied.status, json(denied)['code']], [403, 'audit_unavailable'])
  })
})
