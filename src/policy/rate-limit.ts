import { LRUCache } from 'lru-cache'
import type { Hostname } from './host.ts'

interface Bucket {
  tokens: number
  /** Milliseconds on the limiter's clock. */
  filledAt: number
}

/** Most hosts remembered at once; beyond, the one unused longest starts again with a full bucket. */
const HOSTS = 10_000

/** A token bucket for each host: full at first, refilled at a constant rate, one token a request. */
export class RateLimiter {
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets = new LRUCache<Hostname, Bucket>({ max: HOSTS })

  /** `requests_per_second: 0` switches the limit off; `burst: 0` with a rate above 0 denies every request. */
  constructor(limit: { readonly requests_per_second: number; readonly burst: number }) {
    this.#perSecond = limit.requests_per_second
    this.#burst = limit.burst
  }

  /** Takes a token. 0 when there was one, else the whole seconds until there is one again. `now` in milliseconds. */
  take(host: Hostname, now: number): number {
    if (this.#perSecond === 0) return 0
    const bucket = this.#filled(host, now)
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1
      return 0
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perSecond))
  }

  #filled(host: Hostname, now: number): Bucket {
    const bucket = this.#buckets.get(host) ?? { tokens: this.#burst, filledAt: now }
    const refill = (Math.max(0, now - bucket.filledAt) / 1000) * this.#perSecond
    bucket.tokens = Math.min(this.#burst, bucket.tokens + refill)
    bucket.filledAt = now
    this.#buckets.set(host, bucket)
    return bucket
  }
}
