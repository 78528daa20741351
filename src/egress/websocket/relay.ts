import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { injectWithTokens } from '../http/injection.ts'
import type { ExchangeRecord } from '../http/exchange-record.ts'
import type { Destination } from '../http/route.ts'
import { writeRecord } from '../http/refusal.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import type { LiveExchange } from '../live.ts'
import type { OutboundRequest } from '../secrets/binding.ts'
import {
  CLOSE,
  createReceiver,
  createSender,
  NO_STATUS,
  pendingBytes,
  type MessageReceiver,
  type MessageSender,
} from './codec.ts'

/** A WebSocket whose handshake was judged. */
export interface WebSocketExchange {
  readonly record: ExchangeRecord
  readonly destination: Destination
  readonly context: HeadContext
}

/** One direction: who sends, who gets, and what the connection to the getter looks like. */
interface Leg {
  readonly direction: 'outbound' | 'inbound'
  readonly source: Duplex
  readonly receiver: MessageReceiver
  readonly target: Duplex
  readonly sender: MessageSender
  /** Clients mask what they send (RFC 6455 section 5.3). */
  readonly mask: boolean
}

/**
 * Relays a WebSocket message by message: each is whole, redacted on its way in, and judged by the policy of now.
 * Writes the record when the connection is over. Never rejects.
 */
export async function relayMessages(
  core: EgressCore,
  exchange: WebSocketExchange,
  ends: { readonly client: Duplex; readonly upstream: Duplex },
): Promise<void> {
  const { client, upstream } = ends
  const toClient = createSender(client)
  const toUpstream = createSender(upstream)
  const maxBytes = core.ruling().maxBodyBytes
  const outbound: Leg = {
    direction: 'outbound',
    source: client,
    receiver: createReceiver('client', maxBytes),
    target: upstream,
    sender: toUpstream,
    mask: true,
  }
  const inbound: Leg = {
    direction: 'inbound',
    source: upstream,
    receiver: createReceiver('server', maxBytes),
    target: client,
    sender: toClient,
    mask: false,
  }
  const { authority, path } = exchange.destination
  let denial: Denial | undefined
  const over = new Promise<void>((resolve) => {
    client.once('close', resolve)
    upstream.once('close', resolve)
    if (client.destroyed || upstream.destroyed) resolve() // While the handshake was judged.
  })
  const end = (reason: Denial): void => {
    if (denial !== undefined) return
    denial = reason
    writeRecord(core, exchange.record, reason)
    const code = closeCode(reason)
    toClient.close(code, Buffer.from(closeText(reason, exchange.record.id)), false, () => client.end())
    toUpstream.close(reason.code === 'upstream_aborted' ? code : CLOSE.goingAway, Buffer.alloc(0), true, () =>
      upstream.end(),
    )
    setTimeout(() => destroyBoth(ends), CLOSE_PATIENCE_MS).unref()
  }
  const live: LiveExchange = { query: { ...authority, method: 'GET', path }, end }
  const place = core.live.add(live)
  const life: Life = { end, isOver: () => denial !== undefined }
  const settled = [outbound, inbound].map((leg) => pump(core, exchange, leg, life))
  const decision = core.ruling().policy.decide(live.query, core.clock())
  if (decision.kind === 'deny') end(new Denial(decision.code, decision.reason)) // It changed during the handshake.
  await over
  await withinPatience(Promise.all(settled.map((wait) => wait())).then(() => endBoth(ends)))
  destroyBoth(ends)
  core.live.remove(place)
  writeRecord(core, exchange.record, undefined)
}

/** How long both sides have to read what was said last. */
const CLOSE_PATIENCE_MS = 2000

interface Life {
  /** Closes both sides, the reason recorded and told to the workload. */
  readonly end: (denial: Denial) => void
  readonly isOver: () => boolean
}

/**
 * Feeds one direction. Messages are judged in their order, and the source waits while one of them is. Once the
 * exchange has been ended nothing that was waiting goes out any more. The function that is returned waits, once the
 * source has closed, until all that came from it went out.
 */
function pump(core: EgressCore, exchange: WebSocketExchange, leg: Leg, { end, isOver }: Life): () => Promise<void> {
  let queue = Promise.resolve()
  let waiting = 0
  let held = 0
  function enqueue(work: () => Promise<void> | void): void {
    waiting += 1
    leg.source.pause()
    queue = queue
      .then(() => (isOver() ? undefined : work()))
      .catch((error: unknown) => end(error instanceof Denial ? error : failed(core, error)))
      .finally(() => {
        waiting -= 1
        if (waiting === 0) leg.source.resume()
      })
  }
  /** Counts what the receiver keeps of unfinished messages: many connections must not hold more than the budget. */
  function hold(bytes: number): void {
    try {
      core.budget.hold(bytes - held)
      held = bytes
    } catch (error) {
      end(error as Denial)
    }
  }
  leg.receiver
    .on('message', (data: Buffer, isBinary: boolean) =>
      enqueue(() => relayMessage(core, exchange, leg, { data, isBinary })),
    )
    .on('ping', (data: Buffer) => enqueue(() => relayControl(core, exchange, leg, { kind: 'ping', data })))
    .on('pong', (data: Buffer) => enqueue(() => relayControl(core, exchange, leg, { kind: 'pong', data })))
    .on('conclude', (code: number, reason: Buffer) => enqueue(() => relayClose(core, exchange, leg, { code, reason })))
    .on('error', (error: NodeJS.ErrnoException) => end(malformed(leg, error)))
  leg.source.on('data', (chunk: Buffer) => {
    if (isOver()) return // Only read, so that the close frame gets through.
    leg.receiver.write(chunk)
    hold(pendingBytes(leg.receiver))
  })
  leg.source.resume() // It was kept from flowing before there was anybody to read.
  leg.source.on('error', () => leg.source.destroy())
  leg.source.once('end', () => enqueue(() => void leg.target.end()))
  return () => {
    hold(0)
    return queue
  }
}

/** What a control frame carries is as good a place for data as a message. */
async function relayControl(
  core: EgressCore,
  exchange: WebSocketExchange,
  leg: Leg,
  frame: { readonly kind: 'ping' | 'pong'; readonly data: Buffer },
): Promise<void> {
  const data = await passControl(core, exchange, leg, frame.data, CONTROL_BYTES)
  if (leg.target.destroyed) return
  leg.sender[frame.kind](data, leg.mask, () => {})
  await drained(leg.target)
}

async function relayClose(
  core: EgressCore,
  exchange: WebSocketExchange,
  leg: Leg,
  frame: { readonly code: number; readonly reason: Buffer },
): Promise<void> {
  const reason = await passControl(core, exchange, leg, frame.reason, CONTROL_BYTES - CLOSE_CODE_BYTES)
  leg.sender.close(frame.code === NO_STATUS ? undefined : frame.code, reason, leg.mask, () => leg.target.end())
}

/** RFC 6455 section 5.5: a control frame has a payload of at most 125 bytes, a close frame's begins with its code. */
const CONTROL_BYTES = 125
const CLOSE_CODE_BYTES = 2

/** Judged or redacted like a message. A placeholder may be longer than the value: what has no room is left out. */
async function passControl(
  core: EgressCore,
  exchange: WebSocketExchange,
  leg: Leg,
  data: Buffer,
  room: number,
): Promise<Buffer> {
  if (data.length === 0) return data
  const passed = leg.direction === 'inbound' ? redacted(core, exchange, data) : data
  await judgeMessage(core, exchange, leg, passed)
  if (leg.direction === 'inbound') exchange.record.bytesIn += passed.length
  else exchange.record.bytesOut += passed.length
  return passed.length > room ? Buffer.alloc(0) : passed
}

/** Resolves when the stream takes more, or has ended. */
async function drained(target: Duplex): Promise<void> {
  if (target.writableNeedDrain) await Promise.race([once(target, 'drain'), once(target, 'close')])
}

async function relayMessage(
  core: EgressCore,
  exchange: WebSocketExchange,
  leg: Leg,
  message: { readonly data: Buffer; readonly isBinary: boolean },
): Promise<void> {
  core.budget.hold(message.data.length)
  try {
    const seen = leg.direction === 'inbound' ? redacted(core, exchange, message.data) : message.data
    await judgeMessage(core, exchange, leg, seen)
    const data = leg.direction === 'inbound' ? seen : await injected(core, exchange, seen)
    if (leg.direction === 'inbound') exchange.record.bytesIn += data.length
    else exchange.record.bytesOut += data.length
    if (leg.target.destroyed) return
    leg.sender.send(data, { binary: message.isBinary, fin: true, mask: leg.mask, compress: false }, () => {})
    await drained(leg.target)
  } finally {
    core.budget.release(message.data.length)
  }
}

/** By the ruling of now: a grant that ended or a rule that changed stops the next message. `body` holds nothing real. */
async function judgeMessage(
  core: EgressCore,
  exchange: WebSocketExchange,
  { direction }: Leg,
  body: Buffer,
): Promise<void> {
  const { context } = exchange
  const { chain } = core.ruling()
  if (!core.audit.usable()) throw new Denial('audit_unavailable', 'the audit log cannot be written')
  const { findings, denial } = await chain.inspectMessage({
    ...context,
    direction,
    method: 'WEBSOCKET',
    priorResults: exchange.record.findings,
    body,
  })
  exchange.record.findings = findings
  if (denial !== undefined) throw new Denial(denial.code, `websocket: ${denial.message}`)
}

function redacted(core: EgressCore, { record: kept }: WebSocketExchange, data: Buffer): Buffer {
  const { secrets } = core.ruling()
  if (secrets.isEmpty) return data
  const redactor = secrets.bodyRedactor()
  const clean = redactor.whole(data)
  kept.redacted = new Set([...kept.redacted, ...redactor.redacted])
  return clean
}

async function injected(
  core: EgressCore,
  { record: kept, destination }: WebSocketExchange,
  data: Buffer,
): Promise<Buffer> {
  const ruling = core.ruling()
  const message = outboundMessage(destination, data)
  const injection = await injectWithTokens(core, ruling, (made) => ruling.secrets.inject(message, made))
  kept.noteInjection(injection)
  return injection.body
}

/** A message as secrets see it: the handshake was a GET, and its head was looked at then. */
function outboundMessage(destination: Destination, body: Buffer): OutboundRequest {
  return { ...destination, method: 'GET', target: '', headers: [], body }
}

function malformed({ direction }: Leg, error: NodeJS.ErrnoException): Denial {
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
    return new Denial('body_too_large', 'websocket: message too large')
  return direction === 'outbound'
    ? new Denial('bad_request', 'websocket: malformed frame')
    : new Denial('upstream_protocol', 'websocket: malformed frame from upstream')
}

function failed(core: EgressCore, error: unknown): Denial {
  core.log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return new Denial('egress_failed', 'the egress failed')
}

function closeCode(denial: Denial): number {
  if (denial.code === 'body_too_large') return CLOSE.tooBig
  return denial.code === 'bad_request' || denial.code === 'upstream_protocol'
    ? CLOSE.protocolError
    : CLOSE.policyViolation
}

/** At most 123 bytes (RFC 6455 section 5.5). */
function closeText(denial: Denial, id: string): string {
  return `agentcage ${denial.code} ${id}`
}

/** Lets what was written leave, and waits for the other side to have read it. */
async function endBoth({ client, upstream }: { readonly client: Duplex; readonly upstream: Duplex }): Promise<void> {
  const open = [client, upstream].filter((side) => !side.destroyed)
  await Promise.all(open.map((side) => new Promise((resolve) => side.end().once('close', resolve))))
}

async function withinPatience(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_PATIENCE_MS)))])
  clearTimeout(timer)
}

function destroyBoth({ client, upstream }: { readonly client: Duplex; readonly upstream: Duplex }): void {
  client.destroy()
  upstream.destroy()
}
