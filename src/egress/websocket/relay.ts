import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { refuseMisuse } from '../http/exchange.ts'
import type { ExchangeRecord } from '../http/exchange-record.ts'
import type { Destination } from '../http/route.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import type { LiveExchange } from '../live.ts'
import { CLOSE, createReceiver, createSender, NO_STATUS, type MessageReceiver, type MessageSender } from './codec.ts'

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
 * Relays a WebSocket message by message: each is whole, judged by the policy of now and, on its way in, redacted.
 * Writes the record when the connection is over. Never rejects.
 */
export async function relayMessages(core: EgressCore, exchange: WebSocketExchange, ends: { readonly client: Duplex; readonly upstream: Duplex }): Promise<void> {
  const { client, upstream } = ends
  const toClient = createSender(client)
  const toUpstream = createSender(upstream)
  const maxBytes = core.ruling().maxBodyBytes
  const outbound: Leg = { direction: 'outbound', source: client, receiver: createReceiver('client', maxBytes), target: upstream, sender: toUpstream, mask: true }
  const inbound: Leg = { direction: 'inbound', source: upstream, receiver: createReceiver('server', maxBytes), target: client, sender: toClient, mask: false }
  const { authority, path } = exchange.destination
  let denial: Denial | undefined
  const over = new Promise<void>((resolve) => {
    client.once('close', resolve)
    upstream.once('close', resolve)
  })
  function end(reason: Denial): void {
    if (denial !== undefined) return
    denial = reason
    record(core, exchange.record, reason)
    const code = closeCode(reason)
    toClient.close(code, Buffer.from(closeText(reason, exchange.record.id)), false, () => client.end())
    toUpstream.close(reason.code === 'upstream_aborted' ? code : CLOSE.goingAway, Buffer.alloc(0), true, () => upstream.end())
    setTimeout(() => destroyBoth(ends), CLOSE_PATIENCE_MS).unref()
  }
  const live: LiveExchange = { query: { ...authority, method: 'GET', path }, end }
  const place = core.live.add(live)
  const isOver = (): boolean => denial !== undefined
  for (const leg of [outbound, inbound]) pump(core, exchange, leg, { end, isOver })
  await over
  destroyBoth(ends)
  core.live.remove(place)
  record(core, exchange.record, undefined)
}

/** How long both sides have to read the close frame. */
const CLOSE_PATIENCE_MS = 2000

interface Life {
  /** Closes both sides, the reason recorded and told to the workload. */
  end(denial: Denial): void
  isOver(): boolean
}

/**
 * Feeds one direction. Messages are judged in their order, and the source waits while one of them is. Once the
 * exchange has been ended nothing that was waiting goes out any more.
 */
function pump(core: EgressCore, exchange: WebSocketExchange, leg: Leg, { end, isOver }: Life): void {
  let queue = Promise.resolve()
  let waiting = 0
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
  const done = (): void => {}
  leg.receiver
    .on('message', (data: Buffer, isBinary: boolean) => enqueue(() => relayMessage(core, exchange, leg, { data, isBinary })))
    .on('ping', (data: Buffer) => enqueue(() => leg.sender.ping(data, leg.mask, done)))
    .on('pong', (data: Buffer) => enqueue(() => leg.sender.pong(data, leg.mask, done)))
    .on('conclude', (code: number, reason: Buffer) => {
      enqueue(() => leg.sender.close(code === NO_STATUS ? undefined : code, reason, leg.mask, () => leg.target.end()))
    })
    .on('error', (error: NodeJS.ErrnoException) => end(malformed(leg, error)))
  leg.source.on('data', (chunk: Buffer) => leg.receiver.write(chunk))
  leg.source.on('error', () => leg.source.destroy())
}

async function relayMessage(core: EgressCore, exchange: WebSocketExchange, leg: Leg, message: { readonly data: Buffer; readonly isBinary: boolean }): Promise<void> {
  core.budget.hold(message.data.length)
  try {
    await judgeMessage(core, exchange, leg, message.data)
    const data = leg.direction === 'inbound' ? redacted(core, exchange.record, message.data) : message.data
    if (leg.direction === 'inbound') exchange.record.bytesIn += data.length
    else exchange.record.bytesOut += data.length
    if (leg.target.destroyed) return
    leg.sender.send(data, { binary: message.isBinary, fin: true, mask: leg.mask, compress: false }, () => {})
    if (leg.target.writableNeedDrain) await Promise.race([once(leg.target, 'drain'), once(leg.target, 'close')])
  } finally {
    core.budget.release(message.data.length)
  }
}

/** By the ruling of now: a grant that ended or a rule that changed stops the next message. */
async function judgeMessage(core: EgressCore, { record, destination, context }: WebSocketExchange, { direction }: Leg, body: Buffer): Promise<void> {
  const { chain, secrets } = core.ruling()
  if (direction === 'outbound') refuseMisuse(secrets, { ...destination, target: '', headers: [], body })
  const { findings, denial } = await chain.inspectMessage({ ...context, direction, method: 'WEBSOCKET', priorResults: record.findings, body })
  record.findings = findings
  if (denial !== undefined) throw new Denial(denial.code, `websocket: ${denial.message}`)
}

function redacted(core: EgressCore, record: ExchangeRecord, data: Buffer): Buffer {
  const { secrets } = core.ruling()
  if (secrets.isEmpty) return data
  const redactor = secrets.bodyRedactor()
  const clean = Buffer.concat([redactor.push(data), redactor.end()])
  record.redacted = new Set([...record.redacted, ...redactor.redacted])
  return clean
}

function malformed({ direction }: Leg, error: NodeJS.ErrnoException): Denial {
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return new Denial('body_too_large', 'websocket: message too large')
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
  return denial.code === 'bad_request' || denial.code === 'upstream_protocol' ? CLOSE.protocolError : CLOSE.policyViolation
}

/** At most 123 bytes (RFC 6455 section 5.5). */
function closeText(denial: Denial, id: string): string {
  return `agentcage ${denial.code} ${id}`
}

function record(core: EgressCore, exchangeRecord: ExchangeRecord, denial: Denial | undefined): void {
  try {
    exchangeRecord.write(denial)
  } catch (error) {
    core.log(`audit: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function destroyBoth({ client, upstream }: { readonly client: Duplex; readonly upstream: Duplex }): void {
  client.destroy()
  upstream.destroy()
}
