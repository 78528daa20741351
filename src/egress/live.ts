import type { DomainPolicy, DomainQuery } from '../policy/domains.ts'
import { Denial } from './denial.ts'

/** An exchange under way, and how to end it. */
export interface LiveExchange {
  readonly query: DomainQuery
  end(denial: Denial): void
}

/** Where an exchange stands among those under way; given back to `remove`. */
export interface LivePlace {
  readonly exchange: LiveExchange
  index: number
}

/**
 * The exchanges under way. When the policy changes, those that it no longer allows are ended.
 *
 * An array in which the last takes the place of one that leaves. A Set gets a new table after a few deletions, V8 links
 * each old one to the next, and what stood in them outlives young-generation collections: every other exchange.
 */
export class LiveExchanges {
  readonly #places: LivePlace[] = []
  #over: Denial | undefined

  /** After `endAll` it ends at once: what was held up by a look at its body must not leave when nobody records it any more. */
  add(exchange: LiveExchange): LivePlace {
    const place = { exchange, index: this.#places.length }
    this.#places.push(place)
    if (this.#over !== undefined) exchange.end(this.#over)
    return place
  }

  remove(place: LivePlace): void {
    const last = this.#places.pop()
    if (last === undefined || last === place) return
    this.#places[place.index] = last
    last.index = place.index
  }

  /** What comes of `work`; rejects with the denial when the exchange is ended meanwhile, and drops what comes later. */
  async during<T>(query: DomainQuery, work: Promise<T>): Promise<T> {
    const ended = Promise.withResolvers<never>()
    const place = this.add({ query, end: (denial) => ended.reject(denial) })
    try {
      return await Promise.race([work, ended.promise])
    } finally {
      this.remove(place)
    }
  }

  judgeAgain(policy: DomainPolicy, now: Date): void {
    for (const { exchange } of this.#places.slice()) {
      const decision = policy.decide(exchange.query, now)
      if (decision.kind === 'deny') exchange.end(new Denial(decision.code, decision.reason))
    }
  }

  /** Throws, after `endAll`, what that was given. */
  refuseOver(): void {
    if (this.#over !== undefined) throw this.#over
  }

  /** Ends those under way, and those that come. */
  endAll(denial: Denial): void {
    this.#over = denial
    for (const { exchange } of this.#places.slice()) exchange.end(denial)
  }
}
