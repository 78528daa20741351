import type { Readable } from 'node:stream'
import type { DomainQuery } from '../../policy/domains.ts'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import type { ChainResult } from '../inspect/chain.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import type { OutboundRequest, SecretSet } from '../secrets/binding.ts'
import { checkDeclaredLength, readBody } from './body.ts'
import { ExchangeRecord } from './exchange-record.ts'
import { forward } from './forward.ts'
import { endToEnd, headerValue, type HeaderList } from './headers.ts'
import type { Reply } from './reply.ts'
import { resolveDestination, type Destination, type Route } from './route.ts'
import { isGrpcType, relayGrpc } from './grpc.ts'

/** A request as it arrived, whatever protocol carried it. */
export interface InboundRequest {
  readonly protocol: 'http/1.1' | 'h2'
  readonly route: Route
  readonly method: string
  /** The request target, or `:path`. */
  readonly target: string
  /** Every `Host` value, or `:authority` and any `Host` beside it. */
  readonly hosts: readonly string[]
  /** All fields, without pseudo-header fields. */
  readonly headers: HeaderList
  readonly body: Readable
  readonly hasBody: boolean
  /** Whether the connection has carried another request before: then a foreign authority is answered 421. */
  readonly reused: boolean
  /** Answers `Expect: 100-continue`, once the body is wanted. */
  readonly proceed?: () => void
  /** Whether the body broke off because what came was malformed. */
  readonly isBroken?: () => boolean
}

/** A request that was judged and may leave, still with placeholders. */
export interface JudgedRequest {
  readonly method: string
  readonly destination: Destination
  readonly headers: HeaderList
  readonly body: Buffer
}

/**
 * One request from arrival to audit record: authority, rate, policy, body, inspectors, injector, upstream, redactor.
 * Never rejects: whatever goes wrong becomes a denial, and a denial that cannot be recorded breaks the connection.
 */
export async function handleExchange(core: EgressCore, request: InboundRequest, reply: Reply): Promise<void> {
  const record = recordFor(core, request)
  let held = 0
  try {
    const { destination, context } = await judgeHead(core, request, record)
    if (isGrpc(context)) return await relayGrpc(core, { request, reply, record, destination, context })
    const body = await receiveBody(core, request)
    held = body.length
    const { secrets, chain } = core.ruling()
    refuseMisuse(secrets, { ...destination, target: destination.path, headers: context.headers, body })
    accept(record, await chain.inspectRequest({ ...context, priorResults: record.findings, body }))
    await forward(core, { method: request.method, destination, headers: context.headers, body }, { request, reply, record })
  } catch (error) {
    deny(core, record, reply, denialFor(core, error, request))
  } finally {
    core.budget.release(held)
  }
}

/** A record that names the destination as the client did, until it is known. */
export function recordFor(core: EgressCore, { protocol, method, hosts, route, target }: InboundRequest): ExchangeRecord {
  return new ExchangeRecord(core, protocol, method, { host: hosts[0] ?? '', port: route.authority?.port ?? route.port ?? 0, path: target })
}

/** Where a request goes and whether it may, by its head alone. Throws a Denial. */
export async function judgeHead(core: EgressCore, request: InboundRequest, record: ExchangeRecord): Promise<{ destination: Destination; context: HeadContext }> {
  if (!core.audit.usable()) throw new Denial('audit_unavailable', 'the audit log cannot be written', { retryAfter: 5 })
  const destination = resolveDestination(request.route, request.target, request.hosts)
  record.setDestination(destination)
  const context = headContext(request, destination)
  accept(record, await core.ruling().chain.inspectHead(context))
  return { destination, context }
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
  try {
    record.write(denial)
    return denial
  } catch (error) {
    core.log(`audit: ${error instanceof Error ? error.message : String(error)}`)
    return denial.code === 'audit_unavailable' ? denial : new Denial('audit_unavailable', 'the audit log cannot be written', { retryAfter: 5 })
  }
}

/** Adds the chain's findings to the record, and throws its denial. */
export function accept(record: ExchangeRecord, { findings, denial }: ChainResult): void {
  record.findings = findings
  if (denial !== undefined) throw denial
}

/** By the policy of now: while a body was read or a connection made, a permission may have ended. Throws a Denial. */
export function refuseForbidden(core: EgressCore, query: DomainQuery): void {
  const decision = core.ruling().policy.decide(query, core.clock())
  if (decision.kind === 'deny') throw new Denial(decision.code, decision.reason)
}

/** Throws a Denial when a placeholder or a live secret is on its way to where it must not go. */
export function refuseMisuse(secrets: SecretSet, request: OutboundRequest): void {
  const misuse = secrets.misuse(request)
  if (misuse !== undefined) throw new Denial(misuse.kind === 'placeholder' ? 'placeholder_misdirected' : 'secret_literal', misuse.reason)
}

function headContext(request: InboundRequest, { authority, path, scheme }: Destination): HeadContext {
  const headers = endToEnd(request.headers)
  return {
    direction: 'outbound',
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

function isGrpc({ protocol, contentType }: HeadContext): boolean {
  return protocol === 'h2' && isGrpcType(contentType)
}

async function receiveBody(core: EgressCore, request: InboundRequest): Promise<Buffer> {
  const { maxBodyBytes } = core.ruling()
  checkDeclaredLength(headerValue(request.headers, 'content-length'), maxBodyBytes)
  if (!request.hasBody) return Buffer.alloc(0)
  request.proceed?.()
  return readBody(request.body, { maxBytes: maxBodyBytes, budget: core.budget })
}

/** What is told of an error: the Denial that it is, or `egress_failed`. Its cause is for the operator's log only. */
export function denialFor(core: EgressCore, error: unknown, request: InboundRequest): Denial {
  if (error instanceof Denial) {
    if (error.cause !== undefined) core.log(`${error.message}: ${error.cause instanceof Error ? error.cause.message : String(error.cause)}`)
    if (error.code === 'authority_mismatch' && request.reused) return new Denial('misdirected_request', error.message)
    if (error.code === 'client_aborted' && request.isBroken?.() === true) return new Denial('bad_request', 'malformed HTTP request')
    return error
  }
  core.log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return new Denial('egress_failed', 'the egress failed')
}
