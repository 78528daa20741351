import { LRUCache } from 'lru-cache'
import type { Hostname } from './host.ts'
import { TokenBucket } from './token-bucket.ts'

/** Most hosts remembered at once; beyond, the one unused longest starts again with a full bucket. */
const HOSTS = 10_000

/** A token bucket for each host, one token a request. */
export class RateLimiter {
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets = new LRUCache<Hostname, TokenBucket>({ max: HOSTS })

  /** `requests_per_second: 0` switches the limit off; `burst: 0` with a rate above 0 denies every request. */
  constructor(limit: { readonly requests_per_second: number; readonly burst: number }) {
    this.#perSecond = limit.requests_per_second
    this.#burst = limit.burst
  }

  /** Takes a token. 0 when there was one, else the whole seconds until there is one again. `now` in milliseconds. */
  take(host: Hostname, now: number): number {
    if (this.#perSecond === 0) return 0
    const bucket = this.#bucketOf(host, now)
    return bucket.take(now) ? 0 : Math.max(1, Math.ceil(bucket.wait))
  }

  #bucketOf(host: Hostname, now: number): TokenBucket {
    const known = this.#buckets.get(host)
    if (known !== undefined) return known
    const bucket = new TokenBucket(this.#perSecond, this.#burst, now)
    this.#buckets.set(host, bucket)
    return bucket
  }
}
