/**
 * Every encoding, in every place, by every protocol (HTTP/1.1, HTTP/2, gRPC, WebSocket, server-sent events), whole, in
 * pieces of a stream and over several requests, over real sockets.
 *
 * A value or a placeholder on its way to a host that may not have it is blocked before a byte leaves; a value on its way
 * back is a placeholder when it arrives; a placeholder on its way to its host is replaced where its rule says, and
 * nowhere else. Nothing that the workload or the operator gets to see holds the value in any of these encodings.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import grpc from '@grpc/grpc-js'
import { get, http2Request, http2Session } from '../../support/proxy-client.ts'
import type { Handler, TestResponse } from '../../support/internet.ts'
import { bedWith } from '../inspect/custom/programs.ts'
import { callUnary, capturedClient, playGrpc } from '../http/grpc-service.ts'
import { startBed, type Bed, type BedOptions } from '../bed.ts'
import { openWebSocket, playWebSocket } from '../websocket/sockets.ts'
import { backwards, ENCODINGS, NESTED } from './encodings.ts'
import { onTheWire, PLACEHOLDER } from './example.ts'

const VALUES: Readonly<Record<string, string>> = {
  KEY: 'sk-ant-api03-Zk3_x9-QbLr7TnVw2YpHsJd8',
  PASSWORD: 'p&ss "w<rd>"/+=_%41-0123',
}
const placeholderOf = (name: string): string => PLACEHOLDER.replace('API_KEY', name)

function rulesFor(inject_to: readonly string[], rule: object = {}): readonly object[] {
  return Object.keys(VALUES).map((env) => ({ env, placeholder: placeholderOf(env), inject_to, ...rule }))
}

function withSecrets(hosts: NonNullable<BedOptions['hosts']>, rule: object = {}, more: object = {}): BedOptions {
  const secret_injection = rulesFor(['api.test', 'ws.test'], rule)
  const config = { secret_injection, entropy: false, content_type: false, host_labels: false, split: false, ...more }
  return { hosts, config, secrets: VALUES }
}

/** One line: what stands in a field or a URL has no line ends and no spaces. */
const inOneLine = (text: string): string => onTheWire(text.replaceAll(/[\r\n ]+/g, '+'))

interface Sent {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

const PLACES: Readonly<Record<string, (text: string) => Sent>> = {
  'a JSON body': (text) => ({ body: Buffer.from(`{"messages":[{"content":"see ${text}"}]}`) }),
  'a compressed body': (text) => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(`see ${text}`) }),
  'a header field': (text) => ({ headers: { 'x-note': inOneLine(text) } }),
  'a header field for credentials': (text) => ({ headers: { authorization: `Bearer ${inOneLine(text)}` } }),
  'the query': (text) => ({ path: `/search?q=${inOneLine(text).replaceAll('#', '%23')}` }),
}

type Send = (host: string, sent: Sent) => Promise<{ readonly status: number; readonly body: Buffer }>

const PROTOCOLS: Readonly<Record<string, (bed: Bed) => Promise<{ readonly send: Send; readonly end: () => void }>>> = {
  'HTTP/1.1': async ({ proxy, ca }) => ({
    send: (host, { path = '/', headers = {}, body }) =>
      get(`https://${host}${path}`, { proxy, ca, headers, ...(body === undefined ? {} : { method: 'POST', body }) }),
    end: () => {},
  }),
  'HTTP/2': async (bed) => {
    const session = await http2Session('https://other.test', bed)
    return {
      send: (_host, { path = '/', headers = {}, body }) =>
        http2Request(session, { ':path': path, ':method': body === undefined ? 'GET' : 'POST', ...headers }, body),
      end: () => session.destroy(),
    }
  },
}

describe('out, to a host that may not have it', () => {
  for (const [protocol, open] of Object.entries(PROTOCOLS)) {
    for (const [where, put] of Object.entries(PLACES)) {
      test(`${protocol}, ${where}: blocked in every encoding, and nothing leaves`, async (t) => {
        const bed = await startBed(t, withSecrets({ 'other.test': {} }))
        const { send, end } = await open(bed)
        for (const [name, value] of Object.entries(VALUES)) {
          for (const [how, encode] of Object.entries({ ...ENCODINGS, ...NESTED })) {
            for (const [text, code] of [
              [value, 'secret_literal'],
              [placeholderOf(name), 'placeholder_misdirected'],
            ] as const) {
              const { status, body } = await send('other.test', put(encode(text)))
              const denial = JSON.parse(body.toString()) as { readonly code: string; readonly reason: string }
              assert.deepEqual([status, denial.code], [403, code], how)
              assert.ok(denial.reason.includes(` ${name} `), how)
            }
          }
        }
        end()
        bed.nothingLeft()
        nothingTold(bed)
      })
    }
  }

  test('a WebSocket message, text and binary', async (t) => {
    const bed = await startBed(t, withSecrets({ 'plain.test': { kind: 'http' } }))
    const server = playWebSocket(bed.server('plain.test').server)
    for (const [index, [how, encode]] of Object.entries({ ...ENCODINGS, ...NESTED }).entries()) {
      const client = await openWebSocket(bed, 'ws://plain.test/ws')
      const peer = await server.next()
      const text = encode(VALUES['KEY'] as string)
      client.socket.send(index % 2 === 0 ? text : Buffer.from(text))
      assert.match((await client.ear.next()).data, /^agentcage secret_literal /, how)
      assert.equal((await peer.ear.next()).kind, 'close', how)
    }
    assert.ok(bed.records.every(({ bytes_out }) => bytes_out === 0))
    nothingTold(bed)
  })

  test('a gRPC message, compressed and not', async (t) => {
    const hosts = { domains: { list: ['grpc.test'] } }
    const bed = await startBed(t, { ...withSecrets({}, {}, hosts), transparent: [443] })
    const server = await playGrpc(t, bed)
    await bed.reload({})
    const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }
    const clients = [capturedClient(t, bed), capturedClient(t, bed, gzip)]
    for (const [how, encode] of Object.entries({ ...ENCODINGS, ...NESTED })) {
      for (const client of clients) {
        for (const text of [VALUES['KEY'] as string, placeholderOf('KEY')]) {
          const { error } = await callUnary(client, `see ${encode(text)}`)
          assert.equal(error?.code, grpc.status.PERMISSION_DENIED, how)
        }
      }
    }
    assert.ok(bed.records.length > 0 && bed.records.every(({ bytes_out }) => bytes_out === 0))
    assert.ok(server.metadata.length <= bed.records.length)
    nothingTold(bed)
  })

  /** Encodings in which pieces of a value can be told from anything else when they come one by one. */
  const IN_PIECES: Readonly<Record<string, (text: string) => string>> = {
    'as it is': (text) => text,
    backwards,
    hexadecimal: (text) => Buffer.from(text).toString('hex'),
    base64: (text) => Buffer.from(text).toString('base64'),
  }
  const CARRIERS: Readonly<Record<string, (piece: string, at: number) => Sent>> = {
    'the query': (piece, at) => ({ path: `/log?part=${at}&d=${encodeURIComponent(piece)}` }),
    'a JSON body': (piece, at) => ({ body: Buffer.from(JSON.stringify({ part: at, data: piece })) }),
    'a header field': (piece) => ({ headers: { 'x-part': piece } }),
  }
  for (const [protocol, open] of Object.entries(PROTOCOLS)) {
    test(`${protocol}, over several requests: the piece that makes it known is blocked`, async (t) => {
      const { hosts, ...rest } = withSecrets({ 'other.test': {} }, {}, { split: {} })
      for (const [how, encode] of Object.entries(IN_PIECES)) {
        for (const [where, carry] of Object.entries(CARRIERS)) {
          const bed = await startBed(t, { ...rest, hosts: hosts ?? {} })
          const { send, end } = await open(bed)
          const pieces = encode(VALUES['KEY'] as string).match(/.{1,16}/gs) ?? []
          const statuses: number[] = []
          for (const [at, piece] of pieces.entries()) statuses.push((await send('other.test', carry(piece, at))).status)
          end()
          assert.equal(statuses[0], 200, `${how}, ${where}`)
          const arrived = JSON.stringify(
            bed.server('other.test').requests.map(({ url, rawHeaders, body }) => [url, rawHeaders, body.toString()]),
          )
          const left = pieces.filter((piece) => arrived.includes(piece) || arrived.includes(encodeURIComponent(piece)))
          assert.ok(left.length < pieces.length, `${how}, ${where}`)
          assert.ok(
            bed.records.some(({ code }) => code === 'secret_literal'),
            `${how}, ${where}`,
          )
          nothingTold(bed)
        }
      }
    })
  }
})

describe('back', () => {
  const body = (text: string): Buffer => Buffer.from(`{"echo": "${text}", "more": true}\n`)
  let answer: { readonly name: string; readonly text: string; readonly cut: number }
  const handler: Handler = (_request, response) => {
    const { text, cut } = answer
    const line = inOneLine(text)
    response.writeHead(200, {
      'x-echo': line,
      location: `/x?k=${line}`,
      'set-cookie': [`a=${line}`, 'b=c'],
      trailer: 'x-end',
    })
    const bytes = body(text)
    for (let at = 0; at < bytes.length; at += cut) response.write(bytes.subarray(at, at + cut))
    response.addTrailers({ 'x-end': line })
    response.end()
  }

  for (const [cut, size] of [
    ['whole', 1_000_000],
    ['in pieces of seven bytes', 7],
    ['byte by byte', 1],
  ] as const) {
    test(`HTTP/1.1 and HTTP/2, ${cut}: head, body and trailers hold placeholders in every encoding`, async (t) => {
      const bed = await startBed(t, withSecrets({ 'other.test': { handler } }))
      const session = await http2Session('https://other.test', bed)
      for (const [name, value] of Object.entries(VALUES)) {
        for (const [how, encode] of Object.entries(ENCODINGS)) {
          answer = { name, text: encode(value), cut: size }
          const one = await get('https://other.test/', { proxy: bed.proxy, ca: bed.ca })
          const two = await http2Request(session, { ':path': '/' })
          assert.deepEqual(one.body, two.body, how)
          assert.ok(
            one.body.toString().startsWith('{"echo": "') && one.body.toString().endsWith('", "more": true}\n'),
            how,
          )
          const seen = [
            one.body,
            two.body,
            JSON.stringify([one.rawHeaders, one.rawTrailers, two.headers, two.trailers]),
          ]
          for (const text of seen) assert.ok(!text.includes(answer.text) && !text.includes(inOneLine(answer.text)), how)
          for (const record of bed.records.slice(-2)) assert.deepEqual(record.secrets_redacted, [name], how)
        }
      }
      session.destroy()
      nothingTold(bed)
    })
  }

  test('a gRPC message', async (t) => {
    const hosts = { domains: { list: ['grpc.test'] } }
    const bed = await startBed(t, { ...withSecrets({}, {}, hosts), transparent: [443] })
    await playGrpc(t, bed)
    // The echo is what the workload sent: only what may go to the host comes back.
    await bed.reload({ secret_injection: rulesFor(['grpc.test']), secrets: { enabled: false } })
    const client = capturedClient(t, bed)
    for (const [how, encode] of Object.entries(ENCODINGS)) {
      const text = encode(VALUES['KEY'] as string)
      const { text: seen, error } = await callUnary(client, text)
      assert.equal(error, null, `${how}: ${bed.records.at(-1)?.reason}`)
      assert.ok(seen !== undefined && !seen.includes(text) && seen.startsWith('echo '), how)
      assert.deepEqual(bed.records.at(-1)?.secrets_redacted, ['KEY'], how)
    }
    nothingTold(bed)
  })

  const looks = { it: { members: 'inspectResponse() { return PASS }' } }
  for (const [what, open] of [
    ['as they stream', startBed],
    ['where an inspector looks at each', (t: TestContext, options: BedOptions) => bedWith(t, looks, options)],
  ] as const) {
    test(`server-sent events, ${what}: HTTP/1.1 and HTTP/2`, async (t) => {
      let event = ''
      const streaming = (_request: unknown, response: TestResponse): void => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('event: first\ndata: {"n":1}\n\n')
        response.write(event.slice(0, event.length / 2))
        setImmediate(() => response.end(event.slice(event.length / 2)))
      }
      const bed = await open(t, withSecrets({ 'other.test': { streaming } }))
      const session = await http2Session('https://other.test', bed)
      for (const [name, value] of Object.entries(VALUES)) {
        for (const [how, encode] of Object.entries(ENCODINGS)) {
          const text = inOneLine(encode(value))
          event = `id: 2\ndata: {"echo": "${text}"}\n\ndata: [DONE]\n\n`
          const one = await get('https://other.test/', { proxy: bed.proxy, ca: bed.ca })
          const two = await http2Request(session, { ':path': '/' })
          for (const { body: seen } of [one, two]) {
            const lines = seen.toString('latin1').split('\n\n')
            assert.deepEqual(
              [lines.length, lines[0], lines[2]],
              [4, 'event: first\ndata: {"n":1}', 'data: [DONE]'],
              how,
            )
            assert.ok(!seen.toString('latin1').includes(text), how)
            assert.ok(lines[1]?.startsWith('id: 2\ndata: {"echo": "') && lines[1].endsWith('"}'), how)
          }
          for (const record of bed.records.slice(-2)) assert.deepEqual(record.secrets_redacted, [name], how)
        }
      }
      session.destroy()
      nothingTold(bed)
    })
  }

  test('a WebSocket message', async (t) => {
    const bed = await startBed(t, withSecrets({ 'plain.test': { kind: 'http' } }))
    const server = playWebSocket(bed.server('plain.test').server)
    const client = await openWebSocket(bed, 'ws://plain.test/ws')
    const peer = await server.next()
    for (const [how, encode] of Object.entries(ENCODINGS)) {
      const text = body(encode(VALUES['KEY'] as string)).toString()
      peer.socket.send(text)
      const { data } = await client.ear.next()
      assert.ok(data !== text && data.startsWith('{"echo": "') && data.endsWith('", "more": true}\n'), how)
      assert.ok(!data.includes(encode(VALUES['KEY'] as string)), how)
    }
    client.socket.terminate()
    assert.deepEqual((await bed.record(() => true)).secrets_redacted, ['KEY'])
  })
})

describe('out, to its own host', () => {
  const cases: readonly (readonly [string, Sent, 'always' | 'inject_body'])[] = [
    ['a field for credentials', { headers: { 'x-api-key': placeholderOf('KEY') } }, 'always'],
    ['Basic credentials', { headers: { authorization: basic(placeholderOf('KEY')) } }, 'always'],
    ['another field', { headers: { 'x-note': placeholderOf('KEY') } }, 'inject_body'],
    ['a cookie', { headers: { cookie: `a=${placeholderOf('KEY')}` } }, 'inject_body'],
    ['the query', { path: `/?k=${placeholderOf('KEY')}` }, 'inject_body'],
    ['the path, escaped', { path: `/${encodeURIComponent(placeholderOf('KEY'))}/x` }, 'inject_body'],
    ['a body', { body: Buffer.from(`{"key":"${placeholderOf('KEY')}"}`) }, 'inject_body'],
    ['a body, escaped', { body: Buffer.from(`{"key":"\\u0061${placeholderOf('KEY').slice(1)}"}`) }, 'inject_body'],
  ]
  const protocols: Readonly<Record<string, (bed: Bed, sent: Sent) => Promise<unknown>>> = {
    'HTTP/1.1': async ({ proxy, ca }, { path = '/', headers = {}, body = Buffer.alloc(0) }) =>
      get(`https://api.test${path}`, { proxy, ca, headers, method: 'POST', body }),
    'HTTP/2': async (bed, { path = '/', headers = {}, body }) => {
      const session = await http2Session('https://api.test', bed)
      await http2Request(session, { ':path': path, ':method': 'POST', ...headers }, body)
      session.destroy()
    },
  }
  for (const [protocol, send] of Object.entries(protocols)) {
    for (const [where, sent, when] of cases) {
      for (const inject_body of [false, true]) {
        const isReplaced = when === 'always' || inject_body
        test(`${protocol}, ${where}, inject_body ${inject_body}: ${isReplaced ? 'replaced' : 'left'}`, async (t) => {
          const bed = await startBed(t, withSecrets({ 'api.test': {} }, { inject_body }))
          await send(bed, sent)
          const [arrived] = bed.server('api.test').requests
          const all = `${arrived?.url} ${arrived?.rawHeaders.join(' ')} ${arrived?.body.toString()}`
          const value = VALUES['KEY'] as string
          assert.equal(all.includes(value) || all.includes(basic(value)), isReplaced)
          const [record] = bed.records
          assert.deepEqual(isReplaced ? record?.secrets_injected : record?.secrets_not_injected, ['KEY'])
          nothingTold(bed)
        })
      }
    }
  }
})

function basic(password: string): string {
  return `Basic ${Buffer.from(`user:${password}`).toString('base64')}`
}

/** Records and messages hold no value in any encoding. */
function nothingTold({ records, messages }: Bed): void {
  const told = JSON.stringify([records, messages])
  for (const value of Object.values(VALUES)) {
    for (const [how, encode] of Object.entries(ENCODINGS)) {
      assert.ok(!told.includes(encode(value)), how)
      assert.ok(!told.includes(JSON.stringify(inOneLine(encode(value))).slice(1, -1)), how)
    }
  }
}
