import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createSecureContext } from 'node:tls'
import { AddressGuard } from '../../../../src/policy/address.ts'
import { parseAuthority } from '../../../../src/policy/host.ts'
import type { Origin } from '../../../../src/egress/upstream/dial.ts'
import type { ConnectionLimits } from '../../../../src/egress/upstream/http1/origin-connections.ts'
import { Http1Pool } from '../../../../src/egress/upstream/http1/pool.ts'
import type { Denial, DenialCode } from '../../../../src/egress/denial.ts'
import type { UpstreamCall, UpstreamRequest, UpstreamResponse } from '../../../../src/egress/upstream/upstream.ts'

export interface UpstreamServer {
  readonly pool: Http1Pool
  readonly origin: Origin
  /** All connections so far, oldest first. */
  readonly sockets: readonly Socket[]
  /** How many are open now, and were at most. */
  readonly open: () => number
  readonly mostOpen: () => number
}

/** A response that is whole, with the body `ok`. */
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A pool in front of a server of plain TCP that misbehaves as `onConnection` says. Both end with the test. */
export async function startUpstream(
  t: Pick<TestContext, 'after'>,
  onConnection: (socket: Socket, index: number) => void,
  limits: Partial<ConnectionLimits> = {},
): Promise<UpstreamServer> {
  const sockets: Socket[] = []
  let open = 0
  let most = 0
  const server = net.createServer((socket) => {
    open += 1
    most = Math.max(most, open)
    socket.on('error', () => {}).once('close', () => (open -= 1))
    onConnection(socket, sockets.push(socket) - 1)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const { pool, origin } = poolFor(port, limits)
  t.after(async () => {
    pool.close()
    server.close()
    for (const socket of sockets) socket.destroy()
    if (server.listening) await once(server, 'close')
  })
  return { pool, origin, sockets, open: () => open, mostOpen: () => most }
}

/** A pool, and the origin that leads to a port of 127.0.0.1. */
export function poolFor(port: number, limits: Partial<ConnectionLimits> = {}): { pool: Http1Pool; origin: Origin } {
  const authority = parseAuthority(`127.0.0.1:${port}`)
  if (authority === undefined) throw new TypeError('no authority')
  const pool = new Http1Pool(
    {
      guard: new AddressGuard(['127.0.0.0/8']),
      resolve: (host) => Promise.resolve([host]),
      connectTo: new Map(),
      proxy: undefined,
      trust: createSecureContext(),
    },
    limits,
  )
  return { pool, origin: { scheme: 'http', authority } }
}

/** A request that is complete. */
export function requestTo(origin: Origin, method = 'GET', body = ''): UpstreamRequest {
  const bytes = Buffer.from(body)
  const length = bytes.length > 0 ? ['Content-Length', String(bytes.length)] : []
  return { origin, method, path: '/', headers: ['Host', 'up.test', ...length], body: bytes }
}

/** The body as text. Rejects when it breaks off. */
export async function textOf(response: UpstreamResponse): Promise<string> {
  if (response.whole !== undefined) return response.whole.toString('latin1')
  let text = ''
  for await (const chunk of response.body as AsyncIterable<Buffer>) text += chunk.toString('latin1')
  return text
}

/** Calls `serve` for each request that arrives on the socket; requests have no body, or one of `bodyLength` bytes. */
export function onRequests(socket: Socket, serve: (count: number) => void): void {
  let seen = ''
  let count = 0
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1')
    for (let end = seen.indexOf('\r\n\r\n'); end !== -1; end = seen.indexOf('\r\n\r\n')) {
      const length = Number(/content-length: (\d+)/i.exec(seen.slice(0, end))?.[1] ?? 0)
      if (seen.length < end + 4 + length) return
      seen = seen.slice(end + 4 + length)
      serve(++count)
    }
  })
}

export function get({ pool, origin }: UpstreamServer): UpstreamCall {
  return pool.send(requestTo(origin))
}

/** Resolves when the server's end of a connection is closed. */
export async function closedOf({ sockets }: UpstreamServer, index: number): Promise<void> {
  const socket = sockets[index]
  assert.ok(socket !== undefined)
  socket.resume()
  // Not `once`, which rejects where the connection is reset.
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
}

export function isDenial(code: DenialCode): (error: Denial) => boolean {
  return (error) => error.code === code
}
