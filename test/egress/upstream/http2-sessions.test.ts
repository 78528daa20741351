/**
 * An upstream says how many requests it takes at once on a session. What is beyond waits, and not as long as for an
 * answer: those under way may be streams that last for hours.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createSecureContext } from 'node:tls'
import { Denial } from '../../../src/egress/denial.ts'
import { Http2Sessions, type Http2Call, type SessionLimits } from '../../../src/egress/upstream/http2.ts'
import { AddressGuard } from '../../../src/policy/address.ts'
import { parseAuthority } from '../../../src/policy/host.ts'
import { TestAuthority } from '../../support/test-authority.ts'

const AT_ONCE = 2

test('a request that waits for a stream is refused after a while; those that have one may wait for their answer', async (t) => {
  const { send, answer } = await startUpstream(t, { queueMilliseconds: 50 })
  const open = [await send(), await send()]
  const late = await send()
  // Its time began last: that of the others is over too.
  await assert.rejects(late.response, (error) => {
    assert.ok(error instanceof Denial)
    assert.deepEqual(
      [error.code, error.message],
      ['upstream_timeout', 'api.test:443 takes no more requests at once, and none ended in time'],
    )
    return true
  })
  assert.equal(answer(), AT_ONCE, 'nothing of it was sent')
  for (const { response } of open) assert.equal((await response).status, 200)
})

test('a request that waits gets the first stream that becomes free', async (t) => {
  const { send, answer, arrived } = await startUpstream(t, {})
  await Promise.all([send(), send()])
  const next = await send()
  await arrived(AT_ONCE)
  answer()
  await arrived(AT_ONCE + 1)
  answer()
  assert.equal((await next.response).status, 200)
})

interface Upstream {
  readonly send: () => Promise<Http2Call>
  /** Answers all that arrived; yields how many. */
  readonly answer: () => number
  /** When so many have arrived. */
  readonly arrived: (count: number) => Promise<void>
}

/** Takes two requests at once and answers when it is told to. */
async function startUpstream(t: TestContext, limits: Partial<SessionLimits>): Promise<Upstream> {
  const authority = new TestAuthority()
  const streams: ServerHttp2Stream[] = []
  const server = http2
    .createSecureServer({ ...authority.issue('api.test'), settings: { maxConcurrentStreams: AT_ONCE } })
    .on('stream', (stream, { ':path': path }) => {
      if (path === '/first') return stream.respond({ ':status': 204 }, { endStream: true })
      streams.push(stream.on('error', () => {}))
    })
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = parseAuthority(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  const named = parseAuthority('api.test:443')
  assert.ok(target !== undefined && named !== undefined)
  const options = {
    guard: new AddressGuard([]),
    resolve: async (host: string) => [host],
    connectTo: new Map([['api.test:443', target]]),
    proxy: undefined,
    trust: createSecureContext({ ca: authority.certificatePem }),
  }
  const sessions = new Http2Sessions(options, limits)
  const origin = { scheme: 'https', authority: named } as const
  const calls: Http2Call[] = []
  const send = async (path = '/'): Promise<Http2Call> => {
    const session = await sessions.session(origin)
    assert.ok(session)
    const call = sessions.open(session, { origin, method: 'GET', path, headers: [] })
    calls.push(call)
    call.stream
      .on('error', () => {})
      .resume()
      .end()
    return call
  }
  t.after(async () => {
    for (const { cancel } of calls) cancel()
    sessions.close()
    server.close()
    await once(server, 'close')
  })
  const answer = (): number => {
    for (const stream of streams) if (!stream.headersSent) stream.respond({ ':status': 200 }, { endStream: true })
    return streams.length
  }
  const arrived = async (count: number): Promise<void> => {
    while (streams.length < count) await once(server, 'stream')
  }
  // With its answer the settings of the upstream are known.
  await (
    await send('/first')
  ).response
  return { send, answer, arrived }
}
