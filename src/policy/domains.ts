import type { Config, DomainRule } from '../config/schema.ts'
import { zonesOf, type Authority, type Hostname } from './host.ts'
import { isPathWithin, mayPathLieWithin } from './path.ts'

/** What of a request the policy looks at. */
export interface DomainQuery {
  readonly host: Hostname
  readonly port: number
  readonly method: string
  /** Path and query as they stand in the request line. */
  readonly path: string
}

export type DomainDecision =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny'; readonly code: 'domain_denied' | 'domain_expired' | 'no_policy'; readonly reason: string }

const NO_RULES: readonly DomainRule[] = []

const ALLOW: DomainDecision = { kind: 'allow' }

/**
 * Ports that browsers refuse (WHATWG Fetch, "bad port"): an HTTP request smuggled to a mail, SSH or IRC server is read
 * by it as commands. A rule reaches one of them only by naming it in `ports`.
 */
const BAD_PORTS: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
])

/** Where the workload may go. Built once from the configuration; a decision costs one map look-up a label. */
export class DomainPolicy {
  readonly #mode: 'allowlist' | 'blocklist' | 'none'
  readonly #rules: ReadonlyMap<Hostname, readonly DomainRule[]>

  constructor(domains: Config['domains']) {
    this.#mode = domains?.mode ?? 'none'
    this.#rules = Map.groupBy(domains?.list ?? [], (rule) => rule.host)
  }

  decide(query: DomainQuery, now: Date): DomainDecision {
    switch (this.#mode) {
      case 'none':
        return {
          kind: 'deny',
          code: 'no_policy',
          reason: `no domain allowlist configured (default-deny): ${query.host}`,
        }
      case 'allowlist':
        return this.#decideAllowlist(query, now)
      case 'blocklist':
        return this.#decideBlocklist(query, now)
    }
  }

  /** Whether some request to the host could be allowed: what the workload's DNS tells. */
  knows(host: Hostname, now: Date): boolean {
    const current = this.#matching(host).filter((rule) => !hasExpired(rule, now))
    if (this.#mode === 'allowlist') return current.length > 0
    return this.#mode === 'blocklist' && !current.some((rule) => isUnconditional(rule))
  }

  /** Whether an entry of the allowlist that has not ended names this very port for the host. */
  namesPort({ host, port }: Authority, now: Date): boolean {
    if (this.#mode !== 'allowlist') return false
    for (const rule of this.#matching(host))
      if (rule.ports?.includes(port) === true && !hasExpired(rule, now)) return true
    return false
  }

  /** When the next rule ends, if any does: live connections must be judged again then. */
  nextExpiry(now: Date): Date | undefined {
    let next: Date | undefined
    for (const rules of this.#rules.values())
      for (const { expires } of rules)
        if (expires !== undefined && expires > now && (next === undefined || expires < next)) next = expires
    return next
  }

  #decideAllowlist(query: DomainQuery, now: Date): DomainDecision {
    let expired: DomainRule | undefined
    let unmet: string | undefined
    for (const rule of this.#matching(query.host)) {
      if (hasExpired(rule, now)) {
        expired ??= rule
        continue
      }
      const condition = unmetCondition(rule, query)
      if (condition === undefined) return ALLOW
      unmet ??= condition
    }
    if (unmet !== undefined) return { kind: 'deny', code: 'domain_denied', reason: unmet }
    if (expired !== undefined) {
      const reason = `domain allowlist entry expired: ${expired.host} (was allowed until its TTL elapsed)`
      return { kind: 'deny', code: 'domain_expired', reason }
    }
    return { kind: 'deny', code: 'domain_denied', reason: `domain not in allowlist: ${query.host}` }
  }

  #decideBlocklist(query: DomainQuery, now: Date): DomainDecision {
    if (BAD_PORTS.has(query.port)) return { kind: 'deny', code: 'domain_denied', reason: portReason(query) }
    for (const rule of this.#matching(query.host)) {
      if (!hasExpired(rule, now) && blocks(rule, query)) {
        return { kind: 'deny', code: 'domain_denied', reason: `domain in blocklist: ${query.host}` }
      }
    }
    return ALLOW
  }

  #matching(host: Hostname): readonly DomainRule[] {
    let found: readonly DomainRule[] = NO_RULES
    for (const zone of zonesOf(host)) {
      const rules = this.#rules.get(zone)
      if (rules !== undefined) found = found === NO_RULES ? rules : [...found, ...rules]
    }
    return found
  }
}

function hasExpired(rule: DomainRule, now: Date): boolean {
  return rule.expires !== undefined && rule.expires <= now
}

function isUnconditional(rule: DomainRule): boolean {
  return rule.ports === undefined && rule.methods === undefined && rule.paths === undefined
}

/** Why an allowlist rule does not cover the request, or undefined when it does. */
function unmetCondition(rule: DomainRule, query: DomainQuery): string | undefined {
  const portAllowed = rule.ports === undefined ? !BAD_PORTS.has(query.port) : rule.ports.includes(query.port)
  if (!portAllowed) return portReason(query)
  if (rule.methods !== undefined && !rule.methods.includes(query.method)) {
    return `method ${query.method} not allowed for ${query.host}`
  }
  if (rule.paths !== undefined && !rule.paths.some((prefix) => isPathWithin(query.path, prefix))) {
    return `path not allowed for ${query.host}`
  }
  return undefined
}

/** What servers may read as something listed counts as listed, so that disguise does not help. */
function blocks(rule: DomainRule, query: DomainQuery): boolean {
  if (rule.ports !== undefined && !rule.ports.includes(query.port)) return false
  // Methods are case-sensitive (RFC 9110 section 9.1), but not every server says so.
  if (rule.methods !== undefined && !rule.methods.includes(query.method.toUpperCase())) return false
  return rule.paths === undefined || rule.paths.some((prefix) => mayPathLieWithin(query.path, prefix))
}

function portReason({ port, host }: DomainQuery): string {
  return `port ${port} not allowed for ${host}`
}
