import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import type { ResponseContext } from '../inspect/inspector.ts'
import type { UpstreamResponse } from '../upstream/upstream.ts'
import { redactorWith } from '../secrets/response-redactor.ts'
import { EventSplitter } from './event-splitter.ts'
import { endToEnd, headerValue, withoutHeaders, type HeaderList } from './headers.ts'
import { accept } from './judgement.ts'
import { drainBody, drainResponse, piecesOf, type ByteFilter } from './relay.ts'
import { decoded, finish, isFramingField, responseFields } from './response.ts'
import type { ExchangeEnds } from './exchange-ends.ts'
import { ReplyWriter } from './reply-writer.ts'

/** What of a response is looked at. */
type Judged = Pick<ResponseContext, 'part' | 'status' | 'headers' | 'body'>

const NOTHING = Buffer.alloc(0)

/**
 * Asks the inspectors of now about a response, or a part of one, before it is released. `headers` and `body` as the
 * workload would get them: redacted and without content codings. Throws a Denial.
 */
export async function judgeResponse(
  core: EgressCore,
  { context, record }: Pick<ExchangeEnds, 'context' | 'record'>,
  judged: Judged,
): Promise<void> {
  const { chain } = core.ruling()
  if (!chain.has('inspectResponse')) return
  const contentType = headerValue(judged.headers, 'content-type') ?? ''
  const priorResults = record.findings
  accept(
    record,
    await chain.inspectResponse({ ...context, ...judged, direction: 'inbound', contentType, priorResults }),
  )
}

/** The same for a response without content. */
export async function judgeHead(
  core: EgressCore,
  ends: ExchangeEnds,
  head: Pick<Judged, 'status' | 'headers'>,
): Promise<void> {
  await judgeResponse(core, ends, { ...head, part: 'whole', body: NOTHING })
}

/**
 * Sends a response that inspectors look at. Server-sent events are judged one by one and keep their pace; anything else
 * is kept back until all of it was judged, up to `max_inspected_response`: what is larger is refused.
 */
export async function passJudged(core: EgressCore, response: UpstreamResponse, ends: ExchangeEnds): Promise<void> {
  const type = headerValue(response.headers, 'content-type') ?? ''
  if (/^text\/event-stream\s*(?:;|$)/i.test(type.trim())) await passEvents(core, response, ends)
  else await passWhole(core, response, ends)
}

async function passWhole(core: EgressCore, response: UpstreamResponse, ends: ExchangeEnds): Promise<void> {
  const { reply, record } = ends
  const { reason, headers, filter, redact } = prepare(core, response, { ends, pauses: false })
  const { status } = response
  const store = new BodyStore(core)
  reply.onClose(() => store[Symbol.dispose]()) // What is written is in memory until the workload has read it.
  store.expect(response.headers)
  const add = (chunk: Buffer): void => store.add(filter.push(chunk))
  if (headerValue(response.headers, 'content-encoding') === undefined) await drainResponse(response, add)
  else await drainBody(decoded(response.body, responseFields(response)), add)
  store.add(filter.end())
  const body = store.take()
  const trailers = redact(endToEnd(response.trailers()))
  await judgeResponse(core, ends, { part: 'whole', status, headers, body })
  if (trailers.length > 0)
    await judgeResponse(core, ends, { part: 'trailers', status, headers: trailers, body: NOTHING })
  record.bytesIn = body.length
  await finish(core, record)
  if (trailers.length === 0)
    return reply.whole(status, reason, [...headers, 'Content-Length', String(body.length)], body)
  reply.start(status, reason, headers)
  reply.write(body)
  reply.end(trailers)
}

async function passEvents(core: EgressCore, response: UpstreamResponse, ends: ExchangeEnds): Promise<void> {
  const { reply, record } = ends
  const { reason, headers, filter, redact } = prepare(core, response, { ends, pauses: true })
  const { status } = response
  const pieces = piecesOf(decoded(response.body, responseFields(response)))
  await judgeResponse(core, ends, { part: 'head', status, headers, body: NOTHING })
  reply.start(status, reason, headers)
  const writer = new ReplyWriter(reply)
  const splitter = new EventSplitter()
  using held = new Held(core)
  async function pass(events: readonly Buffer[]): Promise<void> {
    for (const body of events) {
      refuseLarge(core, body.length)
      await judgeResponse(core, ends, { part: 'event', status, headers, body })
      record.bytesIn += body.length
      await writer.write(body)
    }
    refuseLarge(core, splitter.pendingBytes)
    held.hold(splitter.pendingBytes)
  }
  for await (const chunk of pieces) await pass(splitter.push(filter.push(chunk)))
  await pass(splitter.push(filter.end()))
  const rest = splitter.end()
  if (rest.length > 0) await pass([rest])
  const trailers = redact(endToEnd(response.trailers()))
  if (trailers.length > 0)
    await judgeResponse(core, ends, { part: 'trailers', status, headers: trailers, body: NOTHING })
  await finish(core, record)
  reply.end(trailers)
}

interface Prepared {
  readonly reason: string
  readonly headers: HeaderList
  readonly filter: ByteFilter
  /** For fields that come later; what was found in them is recorded too. */
  readonly redact: (fields: HeaderList) => HeaderList
}

/** Inspectors see what the workload will: nothing real is left in what they get. */
function prepare(
  core: EgressCore,
  response: UpstreamResponse,
  { ends: { record, signatures }, pauses }: { readonly ends: ExchangeEnds; readonly pauses: boolean },
): Prepared {
  const secrets = redactorWith(core.ruling().secrets, signatures)
  const names = new Set<string>()
  record.redacted = names
  function redact(fields: HeaderList): HeaderList {
    const clean = secrets.redactHeaders(fields)
    for (const name of clean.redacted) names.add(name)
    return clean.headers
  }
  const headers = redact(withoutHeaders(responseFields(response), isFramingField))
  const reason = secrets.redactText(response.reason)
  if (secrets.isEmpty) return { reason, headers, redact, filter: { push: (chunk) => chunk, end: () => NOTHING } }
  const redactor = secrets.bodyRedactor({ pauses })
  const note = (piece: Buffer): Buffer => {
    for (const name of redactor.redacted) names.add(name)
    return piece
  }
  const filter = { push: (chunk: Buffer) => note(redactor.push(chunk)), end: () => note(redactor.end()) }
  return { reason, headers, redact, filter }
}

/** A share of the memory for bodies in flight, given back when it is disposed of. */
class Held {
  readonly #core: EgressCore
  #bytes = 0

  constructor(core: EgressCore) {
    this.#core = core
  }

  /** Throws a Denial when there is no room for so much. */
  hold(bytes: number): void {
    this.#core.budget.hold(bytes - this.#bytes)
    this.#bytes = bytes
  }

  [Symbol.dispose](): void {
    this.hold(0)
  }
}

/** A body that is being collected, within its bound and the memory for all bodies. */
class BodyStore extends Held {
  readonly #core: EgressCore
  readonly #pieces: Buffer[] = []
  #size = 0

  constructor(core: EgressCore) {
    super(core)
    this.#core = core
  }

  /** Refuses by its announced length what cannot be collected. A coded body may be of any size once decoded. */
  expect(headers: HeaderList): void {
    const length = headerValue(headers, 'content-length')
    if (length !== undefined && headerValue(headers, 'content-encoding') === undefined)
      refuseLarge(this.#core, Number(length))
  }

  add(piece: Buffer): void {
    this.#size += piece.length
    refuseLarge(this.#core, this.#size)
    this.hold(this.#size)
    this.#pieces.push(piece)
  }

  take(): Buffer {
    return Buffer.concat(this.#pieces, this.#size)
  }
}

/** What inspectors cannot look at is not passed on. */
function refuseLarge(core: EgressCore, bytes: number): void {
  const { maxInspectedBytes } = core.ruling()
  if (bytes > maxInspectedBytes)
    throw new Denial('response_too_large', `response too large to be inspected: ${bytes} > ${maxInspectedBytes}`)
}
