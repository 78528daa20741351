import { isWithin, type Hostname } from '../../policy/host.ts'
import { headerValue } from '../http/headers.ts'
import { HourWindow } from './budget-window.ts'
import { hostKey } from './entropy-exempt.ts'
import { PASS, type HeadContext, type InspectionContext, type Inspector, type Verdict } from './inspector.ts'

export interface BudgetSettings {
  /** For all hosts together; 0: no limit. */
  readonly bytes_per_hour: number
  /** For a host and its subdomains together. */
  readonly per_host: Readonly<Record<string, number>>
}

/** A limit, what it is on, and what was used of it. */
interface Account {
  readonly zone: Hostname | undefined
  readonly limit: number
  readonly window: HourWindow
}

/** What left within the last hour, in all and to hosts with a limit of their own. Outlives reloads of the configuration. */
export class DataBudget {
  readonly #accounts: readonly Account[]

  constructor({ bytes_per_hour: limit, per_host: perHost }: BudgetSettings) {
    const hosts = Object.entries(perHost).map(([zone, bytes]): Account => ({
      zone: hostKey(zone),
      limit: bytes,
      window: new HourWindow(),
    }))
    this.#accounts = [...hosts, ...(limit > 0 ? [{ zone: undefined, limit, window: new HourWindow() }] : [])]
  }

  /** Whether `bytes` more fit every limit on the host. Takes nothing. */
  check(host: Hostname, bytes: number, now: number): Verdict {
    for (const { zone, limit, window } of this.#accountsOf(host)) {
      const total = window.used(now) + bytes
      if (total <= limit) continue
      const reason = `data budget exceeded: ${total} > ${limit} bytes per hour${zone === undefined ? '' : ` to ${zone}`}`
      const retryAfter = window.secondsUntil(bytes, limit, now)
      return { kind: 'block', reason, severity: 'error', code: 'budget_exceeded', retryAfter }
    }
    return PASS
  }

  /** Takes the bytes from every limit on the host, or from none. */
  take(host: Hostname, bytes: number, now: number): Verdict {
    const verdict = this.check(host, bytes, now)
    if (verdict.kind === 'pass') for (const { window } of this.#accountsOf(host)) window.add(bytes, now)
    return verdict
  }

  #accountsOf(host: Hostname): readonly Account[] {
    return this.#accounts.filter(({ zone }) => zone === undefined || isWithin(host, zone))
  }
}

/**
 * How much leaves: heads, bodies and messages, as the workload sent them. A request that cannot fit is refused by its
 * head; only what the inspectors before let pass is taken from the budget.
 */
export function budgetInspector(budget: DataBudget, clock: () => Date): Inspector {
  return {
    name: 'budget',
    inspectHead: (context) =>
      budget.check(context.host, headBytes(context) + declaredLength(context), clock().getTime()),
    inspectRequest: (context) => budget.take(context.host, headBytes(context) + context.body.length, clock().getTime()),
    inspectMessage: ({ direction, host, body }: InspectionContext) =>
      direction === 'inbound' ? PASS : budget.take(host, body.length, clock().getTime()),
  }
}

/** Request line and fields as HTTP/1.1 writes them, whatever the protocol. */
function headBytes({ method, path, headers }: HeadContext): number {
  let bytes = method.length + path.length + ' '.length + ' HTTP/1.1\r\n'.length
  for (const text of headers) bytes += text.length
  return bytes + headers.length * 2
}

function declaredLength({ headers }: HeadContext): number {
  const length = headerValue(headers, 'content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : 0
}
