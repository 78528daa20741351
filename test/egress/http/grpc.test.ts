/**
 * gRPC passes in all its four forms, message by message and in both directions at once, with its metadata, its status
 * and its trailers, through the explicit proxy and captured alike. Each message out is judged by the ruling of now;
 * messages back are redacted. What is denied arrives as a status that clients understand.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import grpc from '@grpc/grpc-js'
import { startBed, type BedOptions } from '../bed.ts'
import { callUnary, capturedClient, playGrpc, proxiedClient } from './grpc-service.ts'

const PLACEHOLDER = 'agentcage:secret:KEY:00112233445566778899aabbccddeeff'
const VALUE = 'sk-live-0123456789abcdef'
const secret = (...inject_to: readonly string[]): BedOptions => ({
  config: { secret_injection: [{ env: 'KEY', placeholder: PLACEHOLDER, inject_to }] },
  secrets: { KEY: VALUE },
})

async function open(t: TestContext, options: BedOptions = {}, serverOptions: grpc.ServerOptions = {}) {
  const bed = await startBed(t, {
    transparent: [443],
    ...options,
    config: { domains: { list: ['grpc.test'] }, ...options.config },
  })
  const server = await playGrpc(t, bed, serverOptions)
  await bed.reload({})
  return { bed, server, echo: capturedClient(t, bed) }
}

describe('the four forms', () => {
  test('unary, with metadata both ways', async (t) => {
    const { bed, server, echo } = await open(t)
    const metadata = new grpc.Metadata()
    metadata.set('x-meta', 'one')
    metadata.set('x-raw-bin', Buffer.from([0, 255]))
    const { text, error, trailers } = await callUnary(echo, 'hello', metadata)
    assert.deepEqual([error, text, trailers?.get('x-trailer')], [null, 'echo hello', ['after']])
    assert.deepEqual(
      [server.metadata[0]?.get('x-meta'), server.metadata[0]?.get('x-raw-bin')],
      [['one'], [Buffer.from([0, 255])]],
    )
    const [record] = bed.records
    assert.deepEqual(
      [
        record?.protocol,
        record?.method,
        record?.url,
        record?.decision,
        record?.status,
        record?.bytes_out,
        record?.bytes_in,
      ],
      ['grpc', 'POST', 'https://grpc.test/test.Echo/Unary', 'allowed', 200, 5, 15],
    )
  })

  test('unary through CONNECT', async (t) => {
    const { bed } = await open(t)
    assert.equal((await callUnary(proxiedClient(t, bed), 'hi')).text, 'echo hi')
  })

  test('server streaming', async (t) => {
    const { echo } = await open(t)
    const words: string[] = []
    for await (const word of echo.serverStream('one two three')) words.push(String(word))
    assert.deepEqual(words, ['one', 'two', 'three'])
  })

  test('client streaming', async (t) => {
    const { echo } = await open(t)
    const answer = await new Promise((resolve, reject) => {
      const stream = echo.clientStream((error, text) => (error === null ? resolve(text) : reject(error)))
      for (const word of ['one', 'two', 'three']) stream.write(word)
      stream.end()
    })
    assert.equal(answer, 'one two three')
  })

  test('both at once: each answer comes before the next question is asked', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.bidi()
    for (let count = 0; count < 10; count++) {
      stream.write(`word ${count}`)
      const [answer] = (await once(stream, 'data')) as [string]
      assert.equal(answer, `echo word ${count}`)
    }
    assert.equal(bed.records.length, 0)
    stream.end()
    await once(stream.resume(), 'end')
    await bed.record(({ decision }) => decision === 'allowed')
  })

  test('a server that ends first', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.bidi()
    stream.write('enough')
    const status = await statusOf(stream.resume())
    assert.equal(status.code, grpc.status.OK)
    assert.equal((await bed.record(() => true)).decision, 'allowed')
  })

  test('a megabyte back, and many calls at once', async (t) => {
    const { echo } = await open(t)
    const [big, ...small] = await Promise.all(
      ['big', ...Array.from({ length: 30 }, (_, index) => `n${index}`)].map((text) => callUnary(echo, text)),
    )
    assert.equal(big?.text?.length, 1_000_000)
    assert.deepEqual(
      small.map(({ text }) => text),
      Array.from({ length: 30 }, (_, index) => `echo n${index}`),
    )
  })
})

test('calls whose request has been read count for no more than others, however long their answer takes', async (t) => {
  const { bed, echo } = await open(t)
  const other = capturedClient(t, bed, { 'grpc.use_local_subchannel_pool': 1 })
  // Two sessions: one takes 128 streams.
  for (let count = 0; count < 70; count++)
    for (const client of [echo, other]) {
      const stream = client.serverStream('wait')
      t.after(() => stream.cancel())
      const [answer] = (await once(
        stream.on('error', () => {}),
        'data',
      )) as [string]
      assert.equal(answer, 'wait')
    }
})

describe('what goes wrong', () => {
  test('an error of the server, in trailers only, with its details', async (t) => {
    const { bed, echo } = await open(t)
    const { error, trailers } = await callUnary(echo, 'fail')
    assert.deepEqual(
      [error?.code, error?.details, trailers?.get('x-trailer')],
      [grpc.status.NOT_FOUND, 'no such thing: ünïcode', ['after']],
    )
    assert.equal(bed.records[0]?.decision, 'allowed')
  })

  test('a method that is not there', async (t) => {
    const { bed } = await open(t)
    const echo = capturedClient(t, bed)
    const code = await new Promise((resolve) =>
      echo.makeUnaryRequest(
        '/test.Echo/Nothing',
        (text: string) => Buffer.from(text),
        String,
        'x',
        (error) => resolve(error?.code),
      ),
    )
    assert.equal(code, grpc.status.UNIMPLEMENTED)
  })

  test('a host that is not allowed: PERMISSION_DENIED', async (t) => {
    const { bed, echo } = await open(t)
    await bed.reload({ domains: { list: [] } })
    assert.equal((await callUnary(echo, 'x')).error?.code, grpc.status.PERMISSION_DENIED)
  })

  test('an upstream that is not there: UNAVAILABLE', async (t) => {
    const { bed, echo } = await open(t)
    await bed.reload({ upstream: { connect_to: { 'grpc.test:443': '127.0.0.1:1' } } })
    assert.equal((await callUnary(echo, 'x')).error?.code, grpc.status.UNAVAILABLE)
    assert.equal(bed.records[0]?.code, 'upstream_unreachable')
  })

  test('an upstream of HTTP/1.1 only: UNAVAILABLE', async (t) => {
    const { bed, echo } = await open(t)
    const { port } = await bed.internet.server('h1.test', { alpn: ['http/1.1'] })
    await bed.reload({ upstream: { connect_to: { 'grpc.test:443': `127.0.0.1:${port}` } } })
    const { error } = await callUnary(echo, 'x')
    assert.equal(error?.code, grpc.status.UNAVAILABLE)
  })

  test('a message over the bound: refused, and never sent on', async (t) => {
    const { bed, server, echo } = await open(t, {
      config: { domains: { list: ['grpc.test'] }, max_request_body: 1000 },
    })
    const { error } = await callUnary(echo, 'x'.repeat(1001))
    assert.notEqual(error, null)
    const record = await bed.record(() => true)
    assert.deepEqual(
      [record.code, record.reason, record.bytes_out, record.status],
      ['body_too_large', 'body too large: 1001 > 1000', 0, 413],
    )
    // What comes back, 'echo ' and the text, is bounded the same.
    assert.equal((await callUnary(echo, 'x'.repeat(995))).error, null)
    assert.equal(server.calls.filter((name) => name === 'unary').length <= 2, true)
  })

  test('a stream of many messages is not over it, the one that is too large ends it', async (t) => {
    const { bed, echo } = await open(t, { config: { domains: { list: ['grpc.test'] }, max_request_body: 1000 } })
    const stream = echo.bidi()
    stream.on('error', () => {})
    for (let count = 0; count < 5; count++) {
      stream.write('x'.repeat(900))
      await once(stream, 'data')
    }
    const status = statusOf(stream.resume())
    stream.write('x'.repeat(1001))
    assert.notEqual((await status).code, grpc.status.OK)
    const record = await bed.record(() => true)
    assert.deepEqual([record.code, record.decision, record.bytes_out], ['body_too_large', 'blocked', 4500])
  })

  test('a client that cancels: the upstream call is cancelled, with a record', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.serverStream('wait')
    stream.on('error', () => {})
    await once(stream, 'data')
    stream.cancel()
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
  })

  test('a deadline passes the same way', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.makeServerStreamRequest(
      '/test.Echo/ServerStream',
      (text: string) => Buffer.from(text),
      String,
      'wait',
      { deadline: Date.now() + 300 },
    )
    const [error] = (await once(stream.resume(), 'error')) as [grpc.ServiceError]
    assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED)
    assert.equal((await bed.record(() => true)).code, 'client_aborted')
  })
})

describe('the policy of now', () => {
  test('a stream to a host that is taken off the list is cut, and does not look complete', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.serverStream('wait')
    stream.on('error', () => {})
    await once(stream, 'data')
    const status = statusOf(stream)
    await bed.reload({ domains: { list: [] } })
    assert.notEqual((await status).code, grpc.status.OK)
    const record = await bed.record(() => true)
    assert.deepEqual([record.decision, record.code], ['blocked', 'domain_denied'])
  })

  test('without an audit log no message passes', async (t) => {
    const { bed, echo } = await open(t)
    const stream = echo.bidi()
    stream.on('error', () => {})
    stream.write('recorded')
    await once(stream, 'data')
    const status = statusOf(stream.resume())
    bed.audit.isBroken = true
    stream.write('not recorded')
    assert.notEqual((await status).code, grpc.status.OK)
    bed.audit.isBroken = false
  })
})

describe('secrets', () => {
  test('a placeholder in metadata becomes the value upstream; the echo is redacted', async (t) => {
    const { bed, server, echo } = await open(t, secret('grpc.test'))
    const metadata = new grpc.Metadata()
    metadata.set('authorization', `Bearer ${PLACEHOLDER}`)
    const { text } = await callUnary(echo, `tell ${PLACEHOLDER}`, metadata)
    assert.deepEqual(server.metadata[0]?.get('authorization'), [`Bearer ${VALUE}`])
    assert.equal(text, `echo tell ${PLACEHOLDER}`)
    assert.deepEqual(bed.records[0]?.secrets_injected, ['KEY'])
  })

  test('a value in a message back is a placeholder in the cage', async (t) => {
    const { bed, echo } = await open(t, secret('grpc.test'))
    const stream = echo.serverStream(`one ${VALUE} three`)
    const words: string[] = []
    for await (const word of stream) words.push(String(word))
    assert.deepEqual(words, ['one', PLACEHOLDER, 'three'])
    assert.deepEqual(bed.records[0]?.secrets_redacted, ['KEY'])
  })

  test('a placeholder in a message becomes the value where inject_body says so, compressed or not', async (t) => {
    const rule = { env: 'KEY', placeholder: PLACEHOLDER, inject_to: ['grpc.test'], inject_body: true }
    const { bed, echo } = await open(t, { ...secret('grpc.test'), config: { secret_injection: [rule] } })
    const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }
    for (const client of [echo, capturedClient(t, bed, gzip)]) {
      const { text } = await callUnary(client, `tell ${PLACEHOLDER} ${'x'.repeat(2000)}`)
      assert.equal(text, `echo tell ${PLACEHOLDER} ${'x'.repeat(2000)}`)
    }
    assert.deepEqual(
      bed.records.map((record) => [record.secrets_injected, record.secrets_redacted]),
      [
        [['KEY'], ['KEY']],
        [['KEY'], ['KEY']],
      ],
    )
  })

  for (const [what, text] of [
    ['a placeholder', PLACEHOLDER],
    ['a value', VALUE],
  ] as const) {
    test(`${what} in a message to another host is refused`, async (t) => {
      const { bed, server, echo } = await open(t, secret('other.test'))
      const { error } = await callUnary(echo, `tell ${text}`)
      assert.equal(error?.code, grpc.status.PERMISSION_DENIED)
      const record = await bed.record(() => true)
      assert.deepEqual([record.decision, record.bytes_out], ['blocked', 0])
      assert.ok(server.calls.length === 0 || server.metadata.length === 1)
    })
  }

  test('the same in a compressed message', async (t) => {
    const { bed } = await open(t, secret('other.test'))
    const echo = capturedClient(t, bed, { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip })
    const { error } = await callUnary(echo, `${'x'.repeat(5000)} ${PLACEHOLDER}`)
    assert.equal(error?.code, grpc.status.PERMISSION_DENIED)
    assert.equal((await bed.record(() => true)).code, 'placeholder_misdirected')
  })

  test('a compressed message without them passes, and the answer comes uncompressed', async (t) => {
    const { bed } = await open(t, secret('other.test'), {
      'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
    })
    const echo = capturedClient(t, bed, { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip })
    assert.equal((await callUnary(echo, 'x'.repeat(5000))).text, `echo ${'x'.repeat(5000)}`)
  })

  test('a compressed message that unpacks to more than the bound is refused', async (t) => {
    const { bed } = await open(t, {
      ...secret('other.test'),
      config: { ...secret('other.test').config, domains: { list: ['grpc.test'] }, max_request_body: 10_000 },
    })
    const echo = capturedClient(t, bed, { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip })
    assert.notEqual((await callUnary(echo, 'x'.repeat(1_000_000))).error, null)
    assert.equal((await bed.record(() => true)).decision, 'blocked')
  })
})

function statusOf(stream: NodeJS.EventEmitter): Promise<grpc.StatusObject> {
  return new Promise((resolve) => stream.once('status', resolve))
}
