import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '../../audit/record.ts'
import type { EgressCore } from '../core.ts'
import type { Denial } from '../denial.ts'
import type { Finding } from '../inspect/inspector.ts'
import type { Injection } from '../secrets/injector.ts'
import type { Destination } from './route.ts'
import { formatOrigin } from '../../policy/host.ts'

type Protocol = AuditEvent['protocol']

const NO_NAMES: ReadonlySet<string> = new Set()

/** Collects what becomes the one audit record of an exchange. Holds only what the workload sent: placeholders. */
export class ExchangeRecord {
  readonly id = randomUUID()
  readonly #core: EgressCore
  readonly #startedAt = performance.now()
  #written = false

  protocol: Protocol
  method: string
  host: string
  port: number
  path: string
  url = ''
  findings: readonly Finding[] = []
  #injected: Set<string> | undefined
  #left: Set<string> | undefined
  redacted: ReadonlySet<string> = NO_NAMES
  status = 0
  bytesOut = 0
  bytesIn = 0
  upstreamAddress = ''

  /** `named` is the destination as the client named it, for when it cannot be read as one. */
  constructor(
    core: EgressCore,
    protocol: Protocol,
    method: string,
    named: { host: string; port: number; path: string },
  ) {
    this.#core = core
    this.protocol = protocol
    this.method = method
    this.host = named.host
    this.port = named.port
    this.path = named.path
  }

  /** Adds what a request or message got. */
  noteInjection({ injected, left }: Pick<Injection, 'injected' | 'left'>): void {
    for (const name of injected) (this.#injected ??= new Set()).add(name)
    for (const name of left) (this.#left ??= new Set()).add(name)
  }

  setDestination({ scheme, authority, path }: Destination): void {
    this.host = authority.host
    this.port = authority.port
    this.path = path
    this.url = `${scheme}://${formatOrigin(authority, scheme)}${path === '*' ? '' : path}`
  }

  /**
   * Writes the record, once; later calls do nothing. With a denial the exchange ended without (all of) the upstream's
   * answer. Throws when the log cannot be written.
   */
  write(denial?: Denial): void {
    const event = this.#take(denial)
    if (event !== undefined) this.#core.audit.append(event)
  }

  /** Like `write`, for an exchange that went well and can wait for the others of this turn of the event loop. */
  writeSoon(): Promise<void> {
    const event = this.#take(undefined)
    return event === undefined ? Promise.resolve() : this.#core.audit.appendSoon(event)
  }

  #take(denial: Denial | undefined): AuditEvent | undefined {
    if (this.#written) return undefined
    this.#written = true
    const event = this.#event(denial)
    return event.decision === 'allowed' && !this.#core.ruling().logging.allowed_requests ? undefined : event
  }

  #event(denial: Denial | undefined): AuditEvent {
    const flagged = this.findings.length > 0
    const event: { -readonly [key in keyof AuditEvent]: AuditEvent[key] } = {
      id: this.id,
      direction: this.#core.direction,
      protocol: this.protocol,
      method: this.method,
      host: this.host,
      port: this.port,
      path: this.path,
      url: this.url,
      decision: denial?.blocked === true ? 'blocked' : flagged ? 'flagged' : 'allowed',
      reason: denial?.message ?? (flagged ? this.findings.map(({ reason }) => reason).join('; ') : ''),
      code: denial?.code ?? '',
      status: this.status,
      bytes_out: this.bytesOut,
      bytes_in: this.bytesIn,
      duration_ms: Math.round((performance.now() - this.#startedAt) * 1000) / 1000,
      upstream_ip: this.upstreamAddress,
    }
    if (flagged) event.inspectors = this.findings
    if (this.#injected !== undefined) event.secrets_injected = [...this.#injected]
    if (this.#left !== undefined) event.secrets_not_injected = [...this.#left]
    if (this.redacted.size > 0) event.secrets_redacted = [...this.redacted]
    return event
  }
}
