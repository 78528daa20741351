import type { DomainPolicy, DomainQuery } from '../policy/domains.ts'
import { Denial } from './denial.ts'

/** An exchange under way, and how to end it. */
export interface LiveExchange {
  readonly query: DomainQuery
  end(denial: Denial): void
}

/** The exchanges under way. When the policy changes, those that it no longer allows are ended. */
export class LiveExchanges {
  readonly #live = new Set<LiveExchange>()

  add(exchange: LiveExchange): void {
    this.#live.add(exchange)
  }

  remove(exchange: LiveExchange): void {
    this.#live.delete(exchange)
  }

  judgeAgain(policy: DomainPolicy, now: Date): void {
    for (const exchange of this.#live) {
      const decision = policy.decide(exchange.query, now)
      if (decision.kind === 'deny') exchange.end(new Denial(decision.code, decision.reason))
    }
  }

  endAll(denial: Denial): void {
    for (const exchange of this.#live) exchange.end(denial)
  }
}
