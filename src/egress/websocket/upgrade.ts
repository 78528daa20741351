import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import { holdExchange } from '../http/body.ts'
import type { ExchangeRecord } from '../http/exchange-record.ts'
import type { InboundRequest } from '../http/inbound.ts'
import { judgeResponse } from '../http/judged-response.ts'
import { accept, judgeHead, refuseForbidden } from '../http/judgement.ts'
import { deny, denialFor, recordFor } from '../http/refusal.ts'
import { respond } from '../http/forward.ts'
import { injectInto, injectTransformed } from '../http/injection.ts'
import type { Injection } from '../secrets/injector.ts'
import { redactorWith } from '../secrets/response-redactor.ts'
import { endToEnd, headerValue, headerValues, withoutHeaders, type HeaderList } from '../http/headers.ts'
import { http1Headers } from '../http/outgoing-headers.ts'
import { Http1Reply, Http2Reply, type Reply } from '../http/reply.ts'
import type { Http1Pool, UpgradeAnswer } from '../upstream/http1/pool.ts'
import type { UpstreamRequest } from '../upstream/upstream.ts'
import type { WebSocketExchange } from './relay.ts'

/** Completes the handshake with the workload and returns the connection that frames are exchanged on. */
type Open = (headers: HeaderList) => Duplex

/** A WebSocket over HTTP/1.1 (RFC 6455 section 4). `response` is still attached to the socket, for refusals. */
export async function relayHttp1WebSocket(
  core: EgressCore,
  request: InboundRequest,
  response: ServerResponse,
): Promise<void> {
  const key = headerValue(request.headers, 'sec-websocket-key') ?? ''
  const open: Open = (headers) => {
    const socket = response.socket as Socket
    response.detachSocket(socket)
    const fields = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', acceptFor(key), ...headers]
    const lines = fields.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`))
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1')
    return socket
  }
  await relayWebSocket(core, request, { reply: new Http1Reply(response), open })
}

/** A WebSocket over one HTTP/2 stream (RFC 8441); upstream it is RFC 6455. */
export async function relayHttp2WebSocket(
  core: EgressCore,
  request: InboundRequest,
  stream: ServerHttp2Stream,
): Promise<void> {
  const open: Open = (headers) => {
    const fields = headers.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
    stream.respond([':status', '200', ...fields])
    return stream
  }
  await relayWebSocket(core, { ...request, method: 'GET' }, { reply: new Http2Reply(stream), open })
}

async function relayWebSocket(
  core: EgressCore,
  request: InboundRequest,
  client: { readonly reply: Reply; readonly open: Open },
): Promise<void> {
  const record = recordFor(core, request)
  record.protocol = 'websocket'
  let held = 0
  try {
    held = holdExchange(core.budget, request)
    checkHandshake(request)
    // Loaded with the first WebSocket: most cages never open one, and `ws` costs memory and time at the start.
    const { relayMessages } = await import('./relay.ts')
    const { destination, context, ruling, handshake, key, signatures } = await judgeHandshake(core, request, record)
    refuseForbidden(core, { ...destination.authority, method: 'GET', path: destination.path })
    const { response, socket } = await whileThere(client.reply, ruling.upstream.http1.upgrade(handshake))
    if (socket === undefined)
      return await respond(core, ruling, response, { request, reply: client.reply, record, context, signatures })
    await orDestroy(socket, async () => {
      if (headerValue(response.headers, 'sec-websocket-accept') !== acceptFor(key))
        throw new Denial('upstream_protocol', 'the upstream did not complete the WebSocket handshake')
      record.upstreamAddress = response.address
      record.status = 101
      const answer = redactorWith(ruling.secrets, signatures).redactHeaders(
        handshakeHeaders(endToEnd(response.headers)),
      )
      record.redacted = new Set(answer.redacted)
      const head = { part: 'head', status: 101, headers: answer.headers, body: Buffer.alloc(0) } as const
      await judgeResponse(core, { context, record }, head)
      await relayMessages(
        core,
        { record, destination, context },
        { client: client.open(answer.headers), upstream: socket },
      )
    })
  } catch (error) {
    deny(core, record, client.reply, denialFor(core, error, request))
  } finally {
    core.budget.release(held)
  }
}

/** The handshake as it goes to the upstream, with its secrets. Throws a Denial. */
async function judgeHandshake(core: EgressCore, request: InboundRequest, record: ExchangeRecord): Promise<Handshake> {
  const { destination, context: opened } = await judgeHead(core, request, record)
  const context = { ...opened, protocol: 'websocket' as const }
  const ruling = core.ruling()
  const outbound = {
    ...destination,
    method: 'GET',
    target: destination.path,
    headers: handshakeHeaders(context.headers),
    body: Buffer.alloc(0),
  }
  accept(record, await ruling.chain.inspectRequest({ ...context, priorResults: record.findings, body: outbound.body }))
  const injected = ruling.transforms.isEmpty
    ? injectInto(ruling.secrets, outbound)
    : await injectTransformed(core, ruling, outbound)
  record.noteInjection(injected)
  const key = randomBytes(16).toString('base64')
  const origin = { scheme: destination.scheme, authority: destination.authority }
  const bare: UpstreamRequest = {
    origin,
    named: destination.named,
    method: 'GET',
    path: injected.target,
    headers: injected.headers,
    body: outbound.body,
  }
  const headers = [...http1Headers(bare, request.protocol), ...upgradeFields(key)]
  return { destination, context, ruling, handshake: { ...bare, headers }, key, signatures: injected.signatures }
}

interface Handshake extends Pick<WebSocketExchange, 'destination' | 'context'> {
  /** That it was judged by. */
  readonly ruling: Ruling
  readonly handshake: UpstreamRequest
  /** `Sec-WebSocket-Key`. */
  readonly key: string
  readonly signatures: Injection['signatures'] | undefined
}

/** The connection to the upstream ends where the workload does not get it: it is blocked, or gone meanwhile. */
async function orDestroy(socket: Duplex, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Waits for the upstream's answer as long as the client does. Rejects with a Denial. */
async function whileThere(reply: Reply, { answer, cancel }: ReturnType<Http1Pool['upgrade']>): Promise<UpgradeAnswer> {
  let isGone = false
  reply.onClose(() => {
    isGone = true
    cancel()
  })
  try {
    const { head, ...upgraded } = await answer
    if (head !== undefined && head.length > 0) upgraded.socket?.unshift(head)
    if (!isGone) return upgraded
    upgraded.socket?.destroy()
  } catch (error) {
    if (!isGone) throw error
  }
  throw new Denial('client_aborted', 'the workload went away before the response ended')
}

function checkHandshake(request: InboundRequest): void {
  const version = headerValues(request.headers, 'sec-websocket-version')
  const key = headerValue(request.headers, 'sec-websocket-key') ?? ''
  const keyed = request.protocol === 'h2' || Buffer.from(key, 'base64').length === 16
  if (request.method !== 'GET' && request.protocol === 'http/1.1')
    throw new Denial('bad_request', 'a WebSocket handshake must be a GET')
  if (version.length !== 1 || version[0] !== '13' || !keyed)
    throw new Denial('bad_request', 'malformed WebSocket handshake')
}

/** Each side has a handshake of its own, and no extensions: messages are read, so they travel uncompressed. */
function handshakeHeaders(headers: HeaderList): HeaderList {
  return withoutHeaders(headers, (name) => name.startsWith('sec-websocket-') && name !== 'sec-websocket-protocol')
}

function upgradeFields(key: string): HeaderList {
  return ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', key]
}

/** RFC 6455 section 4.2.2: the protocol asks for SHA-1, and no secrecy rests on it. */
function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}
