import type { ClientHttp2Stream } from 'node:http2'
import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import type { LiveExchange } from '../live.ts'
import type { SecretSet } from '../secrets/secret-set.ts'
import type { Http2Call } from '../upstream/http2.ts'
import type { UpstreamResponse } from '../upstream/upstream.ts'
import type { InboundRequest } from './inbound.ts'
import { accept, refuseForbidden } from './judgement.ts'
import { deny } from './refusal.ts'
import type { ExchangeEnds } from './exchange-ends.ts'
import { refuseUntellable, respond } from './forward.ts'
import { injectInto, injectTransformed } from './injection.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { plain } from './grpc-coding.ts'
import { encodeGrpcMessage, GrpcFramer, type GrpcMessage } from './grpc-framer.ts'
import { injectMessage, redactMessage } from './grpc-secrets.ts'
import { endToEnd, headerValue, withHeader, withoutHeaders, type HeaderList } from './headers.ts'
import { judgeResponse } from './judged-response.ts'
import { drainBody, piecesOf } from './relay.ts'
import { ReplyWriter } from './reply-writer.ts'
import type { Destination } from './route.ts'

/** A gRPC call whose head was judged; its messages are judged one by one as they pass. */
export interface GrpcExchange extends ExchangeEnds {
  readonly request: InboundRequest
  readonly destination: Destination
}

const NOTHING = Buffer.alloc(0)

/**
 * Relays a gRPC call (unary or streaming, either way) message by message: request and response flow at the same time.
 * Rejects with a Denial before the response begins; afterwards it breaks the stream off itself.
 */
export async function relayGrpc(core: EgressCore, exchange: GrpcExchange): Promise<void> {
  const { request, record, destination } = exchange
  const context = { ...exchange.context, protocol: 'grpc' as const }
  record.protocol = 'grpc'
  const ruling = core.ruling()
  const { chain, upstream } = ruling
  const { headers: sent, method } = context
  const whole = { ...destination, method, target: destination.path, headers: sent, body: NOTHING }
  accept(record, await chain.inspectRequest({ ...context, priorResults: record.findings, body: whole.body }))
  const injected = ruling.transforms.isEmpty
    ? injectInto(ruling.secrets, whole)
    : await injectTransformed(core, ruling, whole, { canSign: false })
  record.noteInjection(injected)
  const origin = { scheme: destination.scheme, authority: destination.authority }
  const session = await upstream.http2.session(origin)
  if (session === undefined)
    throw new Denial('upstream_protocol', `${destination.authority.host} does not speak HTTP/2, which gRPC needs`)
  refuseForbidden(core, { ...destination.authority, method: request.method, path: destination.path })
  const headers = grpcHeaders(injected.headers, ruling.secrets)
  const call = upstream.http2.open(session, {
    origin,
    method: request.method,
    path: injected.target,
    headers,
  })
  await withLife(core, exchange, call, async (fail) => {
    pumpRequest(core, { ...exchange, context }, call.stream).catch(fail)
    await answer(core, await call.response, { ...exchange, context, ruling })
  })
}

/** Ends the upstream stream with the client's, and the other way round; whatever fails first is what is told. */
async function withLife(
  core: EgressCore,
  { reply, destination, request }: GrpcExchange,
  { cancel }: Pick<Http2Call, 'cancel'>,
  work: (fail: (error: unknown) => void) => Promise<void>,
): Promise<void> {
  let failure: unknown
  function fail(error: unknown): void {
    failure ??= error
    cancel()
  }
  const live: LiveExchange = {
    query: { ...destination.authority, method: request.method, path: destination.path },
    end: fail,
  }
  const place = core.live.add(live)
  let finished = false
  reply.onClose(() => {
    if (!finished) fail(new Denial('client_aborted', 'the workload went away before the response ended'))
  })
  try {
    await work(fail)
    finished = true
  } catch (error) {
    cancel()
    throw failure ?? error
  } finally {
    core.live.remove(place)
  }
}

async function pumpRequest(core: EgressCore, exchange: GrpcExchange, stream: ClientHttp2Stream): Promise<void> {
  const framer = new GrpcFramer(core.ruling().maxBodyBytes)
  const encoding = headerValue(exchange.context.headers, 'grpc-encoding')
  let held = 0
  try {
    // The client's stream is not destroyed when the loop ends early: the answer still goes out on it.
    for await (const chunk of exchange.request.body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const messages = framer.push(chunk)
      core.budget.hold(framer.pendingBytes)
      core.budget.release(held)
      held = framer.pendingBytes
      for (const message of messages) {
        await judgeMessage(core, exchange, { message, direction: 'outbound', encoding })
        if (stream.destroyed) return // The answer came before the end of the request (RFC 9113 section 8.1).
        exchange.record.bytesOut += message.payload.length
        const sent = await injectMessage(core, exchange, { message, encoding })
        if (!stream.write(encodeGrpcMessage(sent))) await drained(stream)
      }
    }
    if (framer.pendingBytes > 0) throw new Denial('bad_request', 'the request ended inside a gRPC message')
    stream.end()
  } finally {
    core.budget.release(held)
  }
}

/** Resolves when the stream takes more, or has ended. */
function drained(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve()
    function done(): void {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.once('drain', done).once('close', done)
  })
}

interface DirectedMessage {
  readonly message: GrpcMessage
  readonly direction: 'outbound' | 'inbound'
  /** `grpc-encoding` of its side. */
  readonly encoding: string | undefined
}

/** By the policy of now: a grant that ended or a rule that changed stops the next message. */
async function judgeMessage(
  core: EgressCore,
  { context, record }: GrpcExchange,
  { message, direction, encoding }: DirectedMessage,
): Promise<void> {
  if (!core.audit.usable()) throw new Denial('audit_unavailable', 'the audit log cannot be written')
  const { chain, maxBodyBytes } = core.ruling()
  const body = await plain(message, encoding, maxBodyBytes)
  core.budget.hold(body.length)
  try {
    accept(record, await chain.inspectMessage({ ...context, direction, priorResults: record.findings, body }))
  } finally {
    core.budget.release(body.length)
  }
}

/**
 * `te: trailers` is part of the protocol; answers must come in a coding that can be undone, and uncompressed where
 * secrets are looked for in them.
 */
function grpcHeaders(headers: HeaderList, secrets: SecretSet): HeaderList {
  const kept = withoutHeaders(
    headers,
    (name) => name === 'host' || name === 'content-length' || (!secrets.isEmpty && name === 'grpc-accept-encoding'),
  )
  const accepts = headerValue(kept, 'grpc-accept-encoding') !== undefined
  return [...(accepts ? withHeader(kept, 'grpc-accept-encoding', 'identity,gzip') : kept), 'te', 'trailers']
}

async function answer(
  core: EgressCore,
  response: UpstreamResponse,
  exchange: GrpcExchange & { readonly ruling: Ruling },
): Promise<void> {
  const { reply, record, ruling } = exchange
  const isGrpc = isGrpcType(headerValue(response.headers, 'content-type') ?? '')
  const isOver = headerValue(response.headers, 'grpc-status') !== undefined
  // What answers without being gRPC (a load balancer's error page) has no messages.
  if (!isGrpc && !isOver) return respond(core, ruling, response, exchange)
  refuseUntellable(response, exchange.request)
  const { secrets } = core.ruling()
  const head = secrets.redactHeaders(endToEnd(response.headers))
  const redacted = new Set<string>(head.redacted)
  record.redacted = redacted
  record.upstreamAddress = response.address
  record.status = response.status
  const failed = (cause: unknown): void =>
    deny(core, record, reply, new Denial('audit_unavailable', 'the audit log cannot be written', { cause }))
  const part = { status: response.status, headers: head.headers, body: NOTHING }
  // "Trailers-Only" (gRPC over HTTP/2): a status without a message comes in the head, and only where that ends the stream.
  if (isOver) {
    await drainBody(response.body, refuseBody)
    response.trailers()
    await judgeResponse(core, exchange, { ...part, part: 'whole' })
    return finish(record, failed, () => reply.whole(response.status, undefined, head.headers, NOTHING))
  }
  const pieces = piecesOf(response.body)
  await judgeResponse(core, exchange, { ...part, part: 'head' })
  reply.start(response.status, '', head.headers)
  const encoding = headerValue(response.headers, 'grpc-encoding')
  await pumpResponse(core, exchange, { pieces, encoding, redacted })
  const trailers = secrets.redactHeaders(endToEnd(response.trailers()))
  for (const name of trailers.redacted) redacted.add(name)
  await judgeResponse(core, exchange, { ...part, part: 'trailers', headers: trailers.headers })
  finish(record, failed, () => reply.end(trailers.headers))
}

/** Ends the reply once it is on record. */
function finish(record: ExchangeRecord, failed: (cause: unknown) => void, end: () => void): void {
  try {
    record.write()
  } catch (error) {
    return failed(error)
  }
  end()
}

function refuseBody(): never {
  throw new Denial('upstream_protocol', 'the upstream sent a gRPC message after the status')
}

export function isGrpcType(contentType: string): boolean {
  return /^application\/grpc(?:$|[+;])/i.test(contentType)
}

interface Answer {
  readonly pieces: AsyncIterable<Buffer>
  /** `grpc-encoding` of the response. */
  readonly encoding: string | undefined
  /** Gets the names of the secrets that are found. */
  readonly redacted: Set<string>
}

/**
 * Messages back, whole ones, so that each is redacted with a true length and judged before it is sent on. What an
 * upstream may make us hold is bounded like a request, each message by itself and all of them by the budget.
 */
async function pumpResponse(
  core: EgressCore,
  exchange: GrpcExchange,
  { pieces, encoding, redacted }: Answer,
): Promise<void> {
  const { record, reply } = exchange
  const framer = new GrpcFramer(core.ruling().maxBodyBytes)
  const writer = new ReplyWriter(reply)
  let held = 0
  function hold(bytes: number): void {
    core.budget.hold(bytes - held)
    held = bytes
  }
  try {
    for await (const chunk of pieces) {
      const messages = framer.push(chunk)
      hold(framer.pendingBytes)
      for (const message of messages) {
        const clean = await redactMessage(core, message, { encoding, redacted })
        await judgeMessage(core, exchange, { message: clean, direction: 'inbound', encoding })
        const bytes = encodeGrpcMessage(clean)
        record.bytesIn += bytes.length
        await writer.write(bytes)
      }
    }
    if (framer.pendingBytes > 0) throw new Denial('upstream_aborted', 'the upstream ended inside a gRPC message')
  } finally {
    hold(0)
  }
}
