import { LRUCache } from 'lru-cache'
import type { SecureContext } from 'node:tls'
import type { Hostname } from '../../policy/host.ts'

/** A minted certificate, ready to serve. Times are milliseconds since the epoch. */
export interface Leaf {
  readonly context: SecureContext
  readonly validFrom: number
  readonly renewAt: number
}

/** Leaves by host, bounded: a workload chooses the hosts, so it must not choose how much memory they take. */
export class LeafCache {
  readonly #leaves: LRUCache<Hostname, Leaf>

  constructor(maxEntries = 1024) {
    this.#leaves = new LRUCache({ max: maxEntries })
  }

  /** The leaf of `host` if it is good at `now`, else a new one from `mint`. */
  get(host: Hostname, now: number, mint: () => Leaf): Leaf {
    const cached = this.#leaves.get(host)
    // The clock may have been set back below the leaf's start.
    if (cached !== undefined && cached.validFrom <= now && now < cached.renewAt) return cached
    const leaf = mint()
    this.#leaves.set(host, leaf)
    return leaf
  }

  get size(): number {
    return this.#leaves.size
  }
}
