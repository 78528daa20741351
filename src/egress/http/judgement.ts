import type { DomainQuery } from '../../policy/domains.ts'
import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import type { ChainResult } from '../inspect/chain.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { endToEnd, headerValue } from './headers.ts'
import type { InboundRequest } from './inbound.ts'
import { resolveDestination, type Destination } from './route.ts'

/** Where a request goes and whether it may, by its head alone. Throws a Denial. */
export async function judgeHead(
  core: EgressCore,
  request: InboundRequest,
  record: ExchangeRecord,
): Promise<{ destination: Destination; context: HeadContext }> {
  if (!core.audit.usable()) throw new Denial('audit_unavailable', 'the audit log cannot be written', { retryAfter: 5 })
  const destination = resolveDestination(request.route, request.target, request.hosts)
  record.setDestination(destination)
  const context = headContext(core, request, destination)
  accept(record, await core.ruling().chain.inspectHead(context))
  return { destination, context }
}

/** Adds the chain's findings to the record, and throws its denial. */
export function accept(record: ExchangeRecord, { findings, denial }: ChainResult): void {
  record.findings = findings
  if (denial !== undefined) throw denial
}

/**
 * By the policy of now: while a body was read or a connection made, a permission may have ended, or the egress. Throws a
 * Denial.
 */
export function refuseForbidden(core: PolicyOfNow, query: DomainQuery): void {
  core.live.refuseOver()
  const decision = core.ruling().policy.decide(query, core.clock())
  if (decision.kind === 'deny') throw new Denial(decision.code, decision.reason)
}

interface PolicyOfNow extends Pick<EgressCore, 'live' | 'clock'> {
  ruling(): Pick<Ruling, 'policy'>
}

function headContext(
  { direction }: Pick<EgressCore, 'direction'>,
  request: InboundRequest,
  { authority, path, scheme }: Destination,
): HeadContext {
  const headers = endToEnd(request.headers)
  return {
    direction,
    protocol: request.protocol,
    method: request.method,
    url: `${scheme}://${request.hosts[0] ?? ''}${path}`,
    host: authority.host,
    port: authority.port,
    path,
    headers,
    contentType: headerValue(headers, 'content-type') ?? '',
    priorResults: [],
  }
}
