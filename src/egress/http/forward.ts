import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import type { LiveExchange } from '../live.ts'
import type { Injection } from '../secrets/injector.ts'
import { redactorWith, type ResponseRedactor } from '../secrets/response-redactor.ts'
import type { UpstreamCall, UpstreamRequest, UpstreamResponse } from '../upstream/upstream.ts'
import type { ExchangeEnds } from './exchange-ends.ts'
import type { InboundRequest, JudgedRequest } from './inbound.ts'
import { judgeHead, passJudged } from './judged-response.ts'
import { refuseForbidden } from './judgement.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { endToEnd, headerValue, withoutHeaders, type HeaderList } from './headers.ts'
import { decodableOnly, injectInto, injectTransformed } from './injection.ts'
import { drainResponse, relayBody } from './relay.ts'
import { http1Headers, http2Headers } from './outgoing-headers.ts'
import { hasNoContent, isTellable } from './reply.ts'
import { decoded, finish, isFramingField, redactedFields, responseFields } from './response.ts'
import { answerTokenRequest } from './token-exchange.ts'

/** Sends a judged request with its real credentials and streams the redacted answer back. Rejects with a Denial. */
export async function forward(core: EgressCore, judged: JudgedRequest, ends: ExchangeEnds): Promise<void> {
  const { authority, path } = judged.destination
  const query = { ...authority, method: judged.method, path }
  refuseForbidden(core, query)
  const ruling = core.ruling()
  const under: { call?: UpstreamCall; denial?: Denial; isOver: boolean } = { isOver: false }
  function end(denial: Denial): void {
    under.denial ??= denial
    under.call?.cancel()
  }
  function refuseEnded(): void {
    if (under.denial !== undefined) throw under.denial
  }
  const live: LiveExchange = { query, end }
  const place = core.live.add(live)
  ends.reply.onClose(() => {
    if (!under.isOver) end(new Denial('client_aborted', 'the workload went away before the response ended'))
  })
  try {
    if (!ruling.transforms.isEmpty && (await answerItself(core, ruling, judged, ends))) return
    const prepared = prepare(core, ruling, judged, ends.record)
    const outgoing = prepared instanceof Promise ? await prepared : prepared
    refuseEnded()
    under.call = await send(ruling, outgoing, ends.request.protocol)
    under.call.response.catch(() => {}) // Ended before it is waited for, it must not count as unhandled.
    refuseEnded()
    ends.record.bytesOut = outgoing.body.length
    await respond(core, ruling, await under.call.response, { ...ends, signatures: outgoing.signatures })
  } catch (error) {
    under.call?.cancel()
    throw under.denial ?? error
  } finally {
    under.isOver = true
    core.live.remove(place)
  }
}

type Outgoing = JudgedRequest & Pick<ExchangeEnds, 'signatures'>

/** The request as it leaves. Nothing is waited for where no rule has a transform. */
function prepare(
  core: EgressCore,
  ruling: Ruling,
  judged: JudgedRequest,
  record: ExchangeRecord,
): Outgoing | Promise<Outgoing> {
  const { secrets, chain, transforms } = ruling
  const { destination, method, headers, body } = judged
  if (secrets.isEmpty) return chain.has('inspectResponse') ? { ...judged, headers: decodableOnly(headers) } : judged
  const request = { ...destination, method, target: destination.path, headers, body }
  const filled = (injection: Injection): Outgoing => {
    record.noteInjection(injection)
    const { target: path, headers: full, body: content, signatures } = injection
    return { method, destination: { ...destination, path }, headers: full, body: content, signatures }
  }
  return transforms.isEmpty
    ? filled(injectInto(secrets, request))
    : injectTransformed(core, ruling, request).then(filled)
}

/** Whether the egress had the answer itself, and gave it. */
async function answerItself(
  core: EgressCore,
  ruling: Ruling,
  judged: JudgedRequest,
  { record, reply }: ExchangeEnds,
): Promise<boolean> {
  const answer = await answerTokenRequest(core, ruling, judged)
  if (answer === undefined) return false
  record.status = 200
  record.noteInjection({ injected: [answer.name], left: [] })
  record.redacted = new Set([answer.name])
  record.bytesIn = answer.body.length
  await finish(core, record)
  const length = String(answer.body.length)
  const fields = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'Content-Length', length]
  reply.whole(200, undefined, fields, answer.body)
  return true
}

async function send(ruling: Ruling, judged: JudgedRequest, protocol: 'http/1.1' | 'h2'): Promise<UpstreamCall> {
  const { destination, method, headers, body } = judged
  const origin = { scheme: destination.scheme, authority: destination.authority }
  const request: UpstreamRequest = { origin, named: destination.named, method, path: destination.path, headers, body }
  const session = protocol === 'h2' ? await ruling.upstream.http2.session(origin) : undefined
  if (session === undefined) return ruling.upstream.http1.send({ ...request, headers: http1Headers(request, protocol) })
  const { stream, response, cancel } = ruling.upstream.http2.open(session, {
    ...request,
    headers: http2Headers(request),
  })
  stream.end(body)
  return { response, cancel }
}

/** Sends the response to the workload, redacted, and writes the record before it ends. */
export async function respond(
  core: EgressCore,
  ruling: Ruling,
  response: UpstreamResponse,
  ends: ExchangeEnds,
): Promise<void> {
  const secrets = redactorWith(ruling.secrets, ends.signatures)
  ends.record.upstreamAddress = response.address
  refuseUntellable(response, ends.request)
  ends.record.status = response.status
  const isJudged = core.ruling().chain.has('inspectResponse')
  if (
    hasNoContent(ends.request.method, response.status) ||
    Number(headerValue(response.headers, 'content-length') ?? -1) === 0
  ) {
    await passHead(core, secrets, response, ends)
  } else if (isJudged) await passJudged(core, response, ends)
  else if (secrets.isEmpty) await (hasCome(response) ? passWhole(core, response, ends) : passOn(core, response, ends))
  else if (isShort(response)) await redactWhole(core, secrets, response, ends)
  else await redactStream(core, secrets, response, ends)
}

/** Before anything is on record of a response that could not be given. Throws a Denial. */
export function refuseUntellable(
  { status }: Pick<UpstreamResponse, 'status'>,
  { protocol }: Pick<InboundRequest, 'protocol'>,
): void {
  if (!isTellable(status, protocol))
    throw new Denial('upstream_protocol', `the upstream answered with status ${status}`)
}

/** No body follows: the head is the whole response, and waits for the record. */
async function passHead(
  core: EgressCore,
  secrets: ResponseRedactor,
  response: UpstreamResponse,
  ends: ExchangeEnds,
): Promise<void> {
  const { reply, record } = ends
  const fields = headFields(response)
  const { headers, redacted } = secrets.redactHeaders(secrets.isEmpty ? fields : withoutHeaders(fields, isFramingField))
  record.redacted = new Set(redacted)
  await drainResponse(response, () => {})
  response.trailers()
  await judgeHead(core, ends, { status: response.status, headers })
  await finish(core, record)
  reply.start(response.status, secrets.redactText(response.reason), headers)
  reply.end([])
}

/** RFC 9110 section 8.6: a length of nothing; RFC 9113 section 8.1.1 takes a response with one for malformed. */
function headFields(response: UpstreamResponse): HeaderList {
  const fields = responseFields(response)
  return response.status === 204 || response.status === 205
    ? withoutHeaders(fields, (name) => name === 'content-length')
    : fields
}

/** Nothing to hide: the response as it is, but for the end, which waits for the record. */
async function passOn(core: EgressCore, response: UpstreamResponse, { reply, record }: ExchangeEnds): Promise<void> {
  const fields = responseFields(response)
  const declared = headerValue(fields, 'content-length')
  reply.start(response.status, response.reason, fields)
  const last = await relayBody(response.body, reply, {
    onBytes: (count) => (record.bytesIn += count),
    length: declared === undefined ? undefined : Number(declared),
  })
  const trailers = endToEnd(response.trailers())
  await finish(core, record)
  if (last.length > 0) reply.write(last)
  reply.end(trailers)
}

/** The same for one that has come already: it leaves in one piece. */
async function passWhole(core: EgressCore, response: UpstreamResponse, { reply, record }: ExchangeEnds): Promise<void> {
  const fields = responseFields(response)
  const body = response.whole as Buffer
  record.bytesIn = body.length
  await finish(core, record)
  const framed =
    headerValue(fields, 'content-length') === undefined ? [...fields, 'Content-Length', String(body.length)] : fields
  reply.whole(response.status, response.reason, framed, body)
}

/** A body whose small size is known is read whole: then its new length is known too, and it leaves in one piece. */
async function redactWhole(
  core: EgressCore,
  secrets: ResponseRedactor,
  response: UpstreamResponse,
  { reply, record }: ExchangeEnds,
): Promise<void> {
  const redactor = secrets.bodyRedactor({ pauses: false })
  const { headers, redacted } = secrets.redactHeaders(redactedFields(response))
  const pieces: Buffer[] = []
  await drainResponse(response, (chunk) => pieces.push(chunk))
  response.trailers()
  const [only] = pieces
  const body = redactor.whole(only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces))
  record.redacted = new Set([...redacted, ...redactor.redacted])
  record.bytesIn = body.length
  await finish(core, record)
  reply.whole(
    response.status,
    secrets.redactText(response.reason),
    [...headers, 'Content-Length', String(body.length)],
    body,
  )
}

async function redactStream(
  core: EgressCore,
  secrets: ResponseRedactor,
  response: UpstreamResponse,
  { reply, record }: ExchangeEnds,
): Promise<void> {
  const fields = responseFields(response)
  const { headers, redacted } = secrets.redactHeaders(withoutHeaders(fields, isFramingField))
  const names = new Set(redacted)
  record.redacted = names
  const redactor = secrets.bodyRedactor({ pauses: mayPause(fields) })
  const body = decoded(response.body, fields)
  reply.start(response.status, secrets.redactText(response.reason), headers)
  await relayBody(body, reply, { filter: redactor, onBytes: (count) => (record.bytesIn += count) })
  const trailers = secrets.redactHeaders(endToEnd(response.trailers()))
  for (const name of [...redactor.redacted, ...trailers.redacted]) names.add(name)
  await finish(core, record)
  reply.end(trailers.headers)
}

/** Media types of whole documents: a program that shows one as it comes does not wait for the end of a line. */
const DOCUMENT = /^(?:text\/(?:html|xml)|application\/(?:json|xml)|multipart\/|message\/|[^;]*\+(?:json|xml))/i

/** Whether a body is of the kind that goes on when something happens, such as events and logs. */
function mayPause(headers: HeaderList): boolean {
  if (headerValue(headers, 'content-length') !== undefined) return false
  return !DOCUMENT.test((headerValue(headers, 'content-type') ?? '').trim())
}

const SHORT_BYTES = 16_384

/** Whether the body can be read whole at once: it has come, or it is small and in the clear. */
function isShort(response: UpstreamResponse): boolean {
  if (headerValue(response.headers, 'content-encoding') !== undefined) return false
  const length = headerValue(response.headers, 'content-length')
  return length === undefined ? hasCome(response) : Number(length) <= SHORT_BYTES
}

/** Whether everything has come along with the head, and nothing comes behind the body. */
function hasCome(response: UpstreamResponse): boolean {
  return response.whole !== undefined && response.trailers().length === 0
}
