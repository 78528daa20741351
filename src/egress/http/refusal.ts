import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { ExchangeRecord } from './exchange-record.ts'
import type { InboundRequest } from './inbound.ts'
import type { Reply } from './reply.ts'

/** A record that names the destination as the client did, until it is known. */
export function recordFor(
  core: EgressCore,
  { protocol, method, hosts, route, target }: InboundRequest,
): ExchangeRecord {
  return new ExchangeRecord(core, protocol, method, {
    host: hosts[0] ?? '',
    port: route.authority?.port ?? route.port ?? 0,
    path: target,
  })
}

/**
 * Answers with the denial if the response has not begun, else breaks it off. Recorded first: a denial that cannot be
 * recorded is told as `audit_unavailable`.
 */
export function deny(core: EgressCore, record: ExchangeRecord, reply: Reply, denial: Denial): void {
  if (!reply.started) record.status = denial.status
  const told = recorded(core, record, denial)
  if (reply.started || told.code === 'client_aborted') return reply.abort()
  const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store']
  if (told.retryAfter !== undefined) headers.push('Retry-After', String(told.retryAfter))
  const body = told.body(record.host, record.id)
  try {
    reply.whole(told.status, undefined, [...headers, 'Content-Length', String(body.length)], body)
  } catch {
    reply.abort() // The client is gone already.
  }
}

function recorded(core: EgressCore, record: ExchangeRecord, denial: Denial): Denial {
  if (writeRecord(core, record, denial) || denial.code === 'audit_unavailable') return denial
  return new Denial('audit_unavailable', 'the audit log cannot be written', { retryAfter: 5 })
}

/** Returns whether it could be written; that it could not is for the operator's log. */
export function writeRecord(
  core: Pick<EgressCore, 'log'>,
  record: ExchangeRecord,
  denial: Denial | undefined,
): boolean {
  try {
    record.write(denial)
    return true
  } catch (error) {
    core.log(`audit: ${error instanceof Error ? error.message : String(error)}`)
    return false
  }
}

/** What is told of an error: the Denial that it is, or `egress_failed`. Its cause is for the operator's log only. */
export function denialFor(core: EgressCore, error: unknown, request: InboundRequest): Denial {
  if (error instanceof Denial) {
    if (error.cause !== undefined) core.log(`${error.message}: ${describe(error.cause)}`)
    if (error.code === 'authority_mismatch' && request.reused) return new Denial('misdirected_request', error.message)
    if (error.code === 'client_aborted' && request.isBroken?.() === true)
      return new Denial('bad_request', 'malformed HTTP request')
    return error
  }
  core.log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : describe(error)}`)
  return new Denial('egress_failed', 'the egress failed')
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : typeof cause
}
