/**
 * The workload holds a placeholder. On its way to a host in `inject_to` it becomes the value, in fields that carry
 * credentials and with `inject_body` wherever it stands; on its way to any other host the request is blocked before a connection is made; and where the value comes back, in
 * whatever coding and however it is cut, the workload sees the placeholder. No record and no message holds the value.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { header, json, type RawResponse } from '../../support/http-response.ts'
import type { Handler } from '../../support/internet.ts'
import { connectTunnel, get, http2Request, http2Session, rawRequest } from '../../support/proxy-client.ts'
import { startBed, type Bed, type BedOptions } from '../bed.ts'

const PLACEHOLDER = 'agentcage:secret:KEY:00112233445566778899aabbccddeeff'
const VALUE = 'sk-live-"quoted"&0123456789abcdef'
const RULE = { env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['api.test', 'http://plain.test'] }
const hosts = { 'api.test': {}, 'sub.api.test': {}, 'other.test': {}, 'plain.test': { kind: 'http' } } as const

function withSecret(options: BedOptions = { hosts }, rule: object = {}): BedOptions {
  const rules = [{ ...RULE, ...rule }]
  return { ...options, config: { secret_injection: rules, ...options.config }, secrets: { KEY: VALUE } }
}

/** Nothing that the workload or the operator sees holds the value. */
function nothingTold(bed: Bed, ...responses: readonly RawResponse[]): void {
  const seen = [
    JSON.stringify(bed.records),
    bed.messages.join('\n'),
    ...responses.map((one) => one.rawHeaders.join('\n') + one.body.toString()),
  ].join('\n')
  for (const spelling of [VALUE, JSON.stringify(VALUE).slice(1, -1), encodeURIComponent(VALUE)])
    assert.ok(!seen.includes(spelling))
}

describe('on the way out to a host in inject_to', () => {
  test('a header, a Basic credential, the URL and a JSON body; the echo holds placeholders', async (t) => {
    const bed = await startBed(t, withSecret({ hosts }, { inject_body: true }))
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
    const response = await get(`https://api.test/v1/${PLACEHOLDER}?key=${PLACEHOLDER}`, {
      ...client(bed),
      method: 'POST',
      headers: {
        'X-Key': `Bearer ${PLACEHOLDER}`,
        Authorization: basic(`user:${PLACEHOLDER}`),
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ key: PLACEHOLDER }),
    })
    const [arrived] = bed.server('api.test').requests
    assert.equal(arrived?.url, `/v1/${encodeURIComponent(VALUE)}?key=${encodeURIComponent(VALUE)}`)
    const fields = arrived?.rawHeaders ?? []
    assert.ok(fields.includes(`Bearer ${VALUE}`) && fields.includes(basic(`user:${VALUE}`)))
    assert.deepEqual(JSON.parse(String(arrived?.body)), { key: VALUE })
    assert.equal(fields[fields.indexOf('Content-Length') + 1], String(arrived?.body.length))
    nothingTold(bed, response)
    assert.ok(response.body.includes(PLACEHOLDER))
    const [record] = bed.records
    assert.deepEqual([record?.secrets_injected, record?.secrets_redacted], [['KEY'], ['KEY']])
    assert.equal(record?.url, `https://api.test/v1/${PLACEHOLDER}?key=${PLACEHOLDER}`)
  })

  test('without inject_body only in fields that carry credentials; what stayed is on record', async (t) => {
    const bed = await startBed(t, withSecret({ hosts }, { inject_headers: ['X-Other'] }))
    const headers = { Authorization: `Bearer ${PLACEHOLDER}`, 'X-Other': PLACEHOLDER, 'X-Third': PLACEHOLDER }
    const path = `/v1/${PLACEHOLDER}`
    await get(`https://api.test${path}`, { ...client(bed), method: 'POST', headers, body: PLACEHOLDER })
    const [arrived] = bed.server('api.test').requests
    const fields = arrived?.rawHeaders ?? []
    assert.deepEqual(
      ['Authorization', 'X-Other', 'X-Third'].map((name) => fields[fields.indexOf(name) + 1]),
      [`Bearer ${VALUE}`, VALUE, PLACEHOLDER],
    )
    assert.deepEqual([arrived?.url, arrived?.body.toString()], [path, PLACEHOLDER])
    await get('https://api.test/', { ...client(bed), method: 'POST', body: PLACEHOLDER })
    assert.deepEqual(
      bed.records.map((record) => [record.decision, record.secrets_injected, record.secrets_not_injected]),
      [
        ['allowed', ['KEY'], ['KEY']],
        ['allowed', undefined, ['KEY']],
      ],
    )
    nothingTold(bed)
  })

  test('only with the methods, to the paths and on the ports that inject_to names', async (t) => {
    const rule = { inject_to: [{ host: 'api.test', methods: ['POST'], paths: ['/v1'] }, 'ported.test'] }
    const ported = { port: 8443 } as const
    const options = { hosts: { ...hosts, 'ported.test': ported, 'other-port.test': ported } }
    const list = [...Object.keys(hosts), { host: 'ported.test', ports: [8443] }, 'other-port.test']
    const headers = { 'X-Key': PLACEHOLDER }
    const bed = await startBed(t, withSecret({ ...options, config: { domains: { list } } }, rule))
    const ask = async (url: string, method: string) => get(url, { ...client(bed), method, headers })
    assert.equal((await ask('https://api.test/v1/x', 'POST')).status, 200)
    assert.equal((await ask('https://ported.test:8443/', 'GET')).status, 200)
    for (const [url, method, reason] of [
      ['https://api.test/v1/x', 'PUT', 'placeholder KEY sent with unauthorized method PUT to api.test'],
      ['https://api.test/v10', 'POST', 'placeholder KEY sent to unauthorized path of api.test'],
      ['https://other-port.test:8443/', 'GET', 'placeholder KEY sent to unauthorized domain other-port.test'],
    ] as const) {
      const host = new URL(url).hostname
      bed.denied(await ask(url, method), { status: 403, code: 'placeholder_misdirected', host, reason })
    }
    for (const field of ['X-HTTP-Method-Override', 'x-method-override', 'X-Original-URL', 'X-Rewrite-URL']) {
      const value = /url/i.test(field) ? '/admin' : 'DELETE'
      const sent = { method: 'POST', headers: { ...headers, [field]: value } }
      const denied = await get('https://api.test/v1/x', { ...client(bed), ...sent })
      bed.denied(denied, { status: 403, code: 'placeholder_misdirected', host: 'api.test' })
    }
    const [unnamed, rules] = [['ported.test'], { inject_to: ['ported.test'] }]
    const narrow = await startBed(t, withSecret({ ...options, config: { domains: { list: unnamed } } }, rules))
    const denied = await get('https://ported.test:8443/', { ...client(narrow), headers })
    narrow.denied(denied, {
      status: 403,
      code: 'placeholder_misdirected',
      host: 'ported.test',
      reason: 'placeholder KEY sent to unauthorized port 8443 of ported.test',
    })
    assert.ok(bed.server('ported.test').requests[0]?.rawHeaders.includes(VALUE))
  })

  test('a subdomain, HTTP/2, and plain HTTP where inject_to says http://', async (t) => {
    const bed = await startBed(t, withSecret({ hosts }, { inject_body: true }))
    await get('https://sub.api.test/', { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })
    await get('http://plain.test/', { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })
    const session = await http2Session('https://api.test', bed)
    await http2Request(session, { ':path': `/${PLACEHOLDER}`, ':method': 'POST', 'x-key': PLACEHOLDER }, PLACEHOLDER)
    session.close()
    for (const host of ['sub.api.test', 'plain.test', 'api.test'])
      assert.ok(bed.server(host).requests[0]?.rawHeaders.includes(VALUE), host)
    const [overHttp2] = bed.server('api.test').requests
    assert.deepEqual([overHttp2?.url, overHttp2?.body.toString()], [`/${encodeURIComponent(VALUE)}`, VALUE])
    nothingTold(bed)
  })

  test('what holds no placeholder is not touched', async (t) => {
    const bed = await startBed(t, withSecret())
    const body = Buffer.from([0, 1, 2, 255, 254, 13, 10])
    await get('https://api.test/%7Euser/%2F?a=%20', { ...client(bed), method: 'POST', body })
    const [arrived] = bed.server('api.test').requests
    assert.deepEqual([arrived?.url, arrived?.body], ['/%7Euser/%2F?a=%20', body])
    assert.equal(bed.records[0]?.secrets_injected, undefined)
  })

  test('a value that cannot stand in a header is refused, and not sent in part', async (t) => {
    const bed = await startBed(t, { ...withSecret(), secrets: { KEY: 'line one\nline two' } })
    const denied = await get('https://api.test/', { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })
    bed.denied(denied, { status: 403, code: 'secret_unusable', host: 'api.test' })
    bed.nothingLeft()
  })
})

describe('on the way out to any other host', () => {
  const carriers: Readonly<
    Record<
      string,
      (what: string) => { readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string }
    >
  > = {
    'a header': (what) => ({ headers: { 'X-Key': what } }),
    'the name of a header': (what) => ({ headers: { [what.replaceAll(/[:"&]/g, '-')]: 'x', 'X-Key': what } }),
    'a Basic credential': (what) => ({
      headers: { Authorization: `Basic ${Buffer.from(`user:${what}`).toString('base64')}` },
    }),
    'the path': (what) => ({ path: `/x/${encodeURIComponent(what)}` }),
    'the query': (what) => ({ path: `/x?k=${encodeURIComponent(what)}` }),
    'the query, percent-encoded throughout': (what) => ({
      path: `/x?k=${[...Buffer.from(what)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`,
    }),
    'a body': (what) => ({ body: `before ${what} after` }),
    'a JSON body with escapes': (what) => ({
      body: `{"k":"\\u00${what.charCodeAt(0).toString(16)}${JSON.stringify(what.slice(1)).slice(1, -1)}"}`,
    }),
    'a form': (what) => ({ body: `k=${encodeURIComponent(what)}` }),
  }
  for (const [what, make] of Object.entries(carriers)) {
    for (const [kind, text, code, reason] of [
      ['placeholder', PLACEHOLDER, 'placeholder_misdirected', 'placeholder KEY sent to unauthorized domain other.test'],
      ['value', VALUE, 'secret_literal', 'literal secret value KEY found in outbound request to other.test'],
    ] as const) {
      test(`a ${kind} in ${what} is blocked, and nothing leaves`, async (t) => {
        const bed = await startBed(t, withSecret())
        const { path = '/', headers = {}, body } = make(text)
        const denied = await get(`https://other.test${path}`, {
          ...client(bed),
          headers,
          ...(body === undefined ? {} : { method: 'POST', body }),
        })
        const record = bed.denied(denied, { status: 403, code, host: 'other.test', reason })
        assert.deepEqual(record.inspectors, [
          { name: 'secret-injector', action: 'block', reason, severity: 'critical' },
        ])
        bed.nothingLeft()
        nothingTold(bed)
      })
    }
  }

  test('the value to its own host is not blocked: it is only what is there already; on record it is a placeholder', async (t) => {
    const bed = await startBed(t, withSecret())
    const path = `/x?k=${encodeURIComponent(VALUE)}`
    const response = await get(`https://api.test${path}`, { ...client(bed), headers: { 'X-Key': VALUE } })
    assert.equal(response.status, 200)
    assert.equal(bed.records[0]?.url, `https://api.test/x?k=${encodeURIComponent(PLACEHOLDER)}`)
    nothingTold(bed, response)
  })

  test('nor is it found any less behind a content coding or in a coded body', async (t) => {
    const bed = await startBed(t, withSecret())
    for (const [headers, body] of [
      [{ 'Content-Encoding': 'gzip' }, gzipSync(`{"k":${JSON.stringify(VALUE)}}`)],
      [{ 'Content-Encoding': 'gzip, br' }, brotliCompressSync(gzipSync(VALUE))],
      [{}, Buffer.from(`{"file":"${gzipSync(`a file with ${VALUE}`).toString('base64')}"}`)],
    ] as const) {
      const denied = await get('https://other.test/', { ...client(bed), method: 'POST', headers, body })
      bed.denied(denied, { status: 403, code: 'secret_literal', host: 'other.test' })
    }
    bed.nothingLeft()
  })

  test('a host whose name only looks like one in inject_to is another host', async (t) => {
    const bed = await startBed(t, withSecret({ hosts: { 'api.test.other.test': {}, 'xapi.test': {} } }))
    for (const host of ['api.test.other.test', 'xapi.test']) {
      const denied = await get(`https://${host}/`, { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })
      bed.denied(denied, { status: 403, code: 'placeholder_misdirected', host })
    }
  })

  test('attack: plain HTTP to a host that gets it by https, with a placeholder or a value', async (t) => {
    const rule = { env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['plain.test'] }
    const bed = await startBed(t, { hosts, config: { secret_injection: [rule] }, secrets: { KEY: VALUE } })
    const denial = { status: 403, host: 'plain.test' }
    for (const sent of [{ headers: { 'X-Key': PLACEHOLDER } }, { method: 'POST', body: Buffer.from(PLACEHOLDER) }]) {
      const reason = 'placeholder KEY would leave unencrypted to plain.test'
      const denied = await get('http://plain.test/', { ...client(bed), ...sent })
      bed.denied(denied, { ...denial, code: 'placeholder_misdirected', reason })
    }
    const denied = await get('http://plain.test/', { ...client(bed), method: 'POST', body: Buffer.from(VALUE) })
    bed.denied(denied, { ...denial, code: 'secret_literal', reason: 'value KEY would leave unencrypted to plain.test' })
    bed.nothingLeft()
  })

  test('"*" is every host, over TLS only', async (t) => {
    const rules = [{ env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['*'] }]
    const bed = await startBed(t, { hosts, config: { secret_injection: rules }, secrets: { KEY: VALUE } })
    assert.equal((await get('https://other.test/', { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })).status, 200)
    const denied = await get('http://plain.test/', { ...client(bed), headers: { 'X-Key': PLACEHOLDER } })
    bed.denied(denied, {
      status: 403,
      code: 'placeholder_misdirected',
      host: 'plain.test',
      reason: 'placeholder KEY would leave unencrypted to plain.test',
    })
  })
})

describe('on the way back', () => {
  const text = `{"key": ${JSON.stringify(VALUE)}, "url": "https://x/?k=${encodeURIComponent(VALUE)}", "end": true}`
  const clean = `{"key": ${JSON.stringify(PLACEHOLDER)}, "url": "https://x/?k=${encodeURIComponent(PLACEHOLDER)}", "end": true}`
  const codings: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    identity: (bytes) => bytes,
    gzip: gzipSync,
    'x-gzip': gzipSync,
    deflate: deflateSync,
    'deflate ': deflateRawSync,
    br: brotliCompressSync,
    zstd: zstdCompressSync,
    'gzip, br': (bytes) => brotliCompressSync(gzipSync(bytes)),
  }
  for (const [coding, encode] of Object.entries(codings)) {
    for (const cut of ['whole', 'byte by byte'] as const) {
      test(`${coding}, ${cut}: redacted, and sent in the clear`, async (t) => {
        const bytes = encode(Buffer.from(text))
        const bed = await startBed(
          t,
          withSecret({ hosts: { 'api.test': serve(bytes, { 'Content-Encoding': coding.trim() }, cut) } }),
        )
        const response = await get('https://api.test/', {
          ...client(bed),
          headers: { 'Accept-Encoding': 'gzip, br, zstd, deflate' },
        })
        assert.equal(response.body.toString(), clean)
        if (coding !== 'identity') assert.equal(header(response, 'Content-Encoding'), undefined)
        nothingTold(bed, response)
        assert.deepEqual(bed.records[0]?.secrets_redacted, ['KEY'])
      })
    }
  }

  test('cut anywhere, the value is found', async (t) => {
    let at = 0
    const handler: Handler = (_request, response) => {
      response.write(text.slice(0, at))
      setImmediate(() => response.end(text.slice(at)))
    }
    const bed = await startBed(t, withSecret({ hosts: { 'plain.test': { kind: 'http', handler } } }))
    const socket = await connectTunnel(bed.proxy, 'plain.test:80')
    for (at = 1; at < text.length; at++) {
      const response = await rawRequest(socket, 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n')
      assert.equal(response.body.toString(), clean, `cut at ${at}`)
    }
    socket.destroy()
  })

  test('in header values, header names, cookies, the reason phrase and trailers', async (t) => {
    const value = 'sk-live-0123456789abcdef'
    const handler: Handler = (_request, response) => {
      response.writeHead(200, `Hello ${value}`, {
        'X-Key': value,
        [`X-${value}`]: 'y',
        'Set-Cookie': [`a=${value}`, 'b=c'],
        Trailer: 'X-T',
      })
      response.write('body')
      response.addTrailers({ 'X-T': value })
      response.end()
    }
    const bed = await startBed(t, {
      ...withSecret({ hosts: { 'plain.test': { kind: 'http', handler } } }),
      secrets: { KEY: value },
    })
    const response = await get('http://plain.test/', bed)
    const all = [response.reason, ...response.rawHeaders, ...response.rawTrailers].join('\n')
    assert.ok(!all.includes(value))
    assert.deepEqual(
      [response.reason, header(response, 'X-Key'), response.rawTrailers],
      [`Hello ${PLACEHOLDER}`, PLACEHOLDER, ['X-T', PLACEHOLDER]],
    )
  })

  test('from any host, not only those in inject_to, in errors too', async (t) => {
    const handler: Handler = (_request, response) => void response.writeHead(500).end(VALUE)
    const bed = await startBed(t, withSecret({ hosts: { 'other.test': { handler } } }))
    const response = await get('https://other.test/', bed)
    assert.deepEqual([response.status, response.body.toString()], [500, PLACEHOLDER])
  })

  test('a coding that cannot be decoded is not passed on unseen', async (t) => {
    const bed = await startBed(
      t,
      withSecret({ hosts: { 'api.test': serve(Buffer.from('x'), { 'Content-Encoding': 'compress' }, 'whole') } }),
    )
    bed.denied(await get('https://api.test/', bed), { status: 403, code: 'encoding_unsupported', host: 'api.test' })
    const plain = await startBed(t, {
      hosts: { 'api.test': serve(Buffer.from('x'), { 'Content-Encoding': 'compress' }, 'whole') },
    })
    assert.equal((await get('https://api.test/', plain)).body.toString(), 'x')
  })

  test('a coded body that is malformed or ends early is not taken for whole', async (t) => {
    const coded = gzipSync(Buffer.alloc(100_000, text))
    for (const bytes of [
      coded.subarray(0, coded.length - 20),
      Buffer.concat([coded.subarray(0, 50), Buffer.alloc(50)]),
    ]) {
      const bed = await startBed(
        t,
        withSecret({ hosts: { 'api.test': serve(bytes, { 'Content-Encoding': 'gzip' }, 'whole') } }),
      )
      await assert.rejects(get('https://api.test/', bed), /ended/)
      assert.equal((await bed.record(() => true)).code, 'upstream_aborted')
    }
  })

  test('only codings that can be decoded are asked for', async (t) => {
    const bed = await startBed(t, withSecret())
    await get('https://api.test/', { ...client(bed), headers: { 'Accept-Encoding': 'gzip;q=0.5, compress, br, *' } })
    const fields = bed.server('api.test').requests[0]?.rawHeaders ?? []
    assert.equal(fields[fields.indexOf('Accept-Encoding') + 1], 'gzip;q=0.5, br')
  })

  test('Range is dropped where a secret may be echoed, and kept elsewhere', async (t) => {
    const bed = await startBed(t, withSecret())
    assert.deepEqual([await asksForRange(bed, 'api.test'), await asksForRange(bed, 'other.test')], [false, true])
  })

  test('attack: a value that is stored through one host is read in halves from another', async (t) => {
    const stored: { body?: Buffer } = {}
    const store: Handler = (_request, response, { body }) => {
      stored.body = body
      response.end()
    }
    const serveRange: Handler = ({ headers }, response) => {
      const content = stored.body ?? Buffer.alloc(0)
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
      if (from === undefined) response.end(content)
      else response.writeHead(206).end(content.subarray(Number(from), Number(to) + 1))
    }
    const bed = await startBed(
      t,
      withSecret(
        { hosts: { 'api.test': { handler: store }, 'raw.test': { handler: serveRange } } },
        { inject_body: true },
      ),
    )
    await get('https://api.test/', { ...client(bed), method: 'POST', body: `<${PLACEHOLDER}>` })
    assert.ok(stored.body?.includes(VALUE))
    const half = VALUE.length >> 1
    for (const range of [`bytes=0-${half}`, `bytes=${half + 1}-${VALUE.length + 1}`]) {
      const { status, body } = await get('https://raw.test/', { ...client(bed), headers: { Range: range } })
      assert.deepEqual([status, body.toString()], [200, `<${PLACEHOLDER}>`])
    }
  })

  test('lengths and digests of what was changed are gone', async (t) => {
    const fields = {
      'Content-Length': String(text.length),
      'Content-MD5': 'x',
      Digest: 'x',
      'Content-Digest': 'x',
      ETag: '"kept"',
    }
    const bed = await startBed(t, withSecret({ hosts: { 'api.test': serve(Buffer.from(text), fields, 'whole') } }))
    const response = await get('https://api.test/', bed)
    assert.equal(response.body.toString(), clean)
    assert.deepEqual(
      ['Content-MD5', 'Digest', 'Content-Digest', 'ETag'].map((name) => header(response, name)),
      [undefined, undefined, undefined, '"kept"'],
    )
  })
})

test('a generated placeholder works as a given one does', async (t) => {
  const bed = await startBed(t, {
    hosts,
    config: { secret_injection: [{ env: 'KEY', inject_to: ['api.test'] }] },
    secrets: { KEY: VALUE },
  })
  const placeholder = await generated(t, bed)
  assert.match(placeholder, /^agentcage:secret:KEY:[0-9a-f]{32}$/)
})

/** The placeholder that the workload would be given: what an upstream that knows the value seems to say. */
async function generated(_t: TestContext, bed: Bed): Promise<string> {
  const response = await get('https://api.test/', { ...client(bed), headers: { 'X-Key': VALUE } })
  const fields = json(response)['headers'] as string[]
  return fields[fields.indexOf('X-Key') + 1] as string
}

async function asksForRange(bed: Bed, host: string): Promise<boolean> {
  const headers = { Range: 'bytes=0-5', 'If-Range': '"x"' }
  await get(`https://${host}/`, { ...client(bed), headers })
  const fields = bed.server(host).requests.at(-1)?.rawHeaders ?? []
  const found = Object.keys(headers).filter((name) => fields.includes(name))
  assert.ok(found.length !== 1, 'one without the other')
  return found.length > 0
}

function client({ proxy, ca }: Bed) {
  return { proxy, ca }
}

function serve(bytes: Buffer, fields: Readonly<Record<string, string>>, cut: 'whole' | 'byte by byte'): Handler {
  return (_request, response) => {
    response.writeHead(200, fields)
    if (cut === 'whole') return void response.end(bytes)
    const next = (at: number): void => {
      if (at === bytes.length) response.end()
      else response.write(bytes.subarray(at, at + 1), () => next(at + 1))
    }
    next(0)
  }
}
