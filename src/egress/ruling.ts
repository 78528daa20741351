import type { Config } from '../config/schema.ts'
import { DomainPolicy } from '../policy/domains.ts'
import { RateLimiter } from '../policy/rate-limit.ts'
import type { Ruling } from './core.ts'
import { bodySizeInspector } from './inspect/body-size.ts'
import { InspectorChain } from './inspect/chain.ts'
import { domainInspector } from './inspect/domain.ts'
import { rateLimitInspector } from './inspect/rate-limit.ts'
import { SecretSet, type SecretBinding } from './secrets/binding.ts'
import { Upstream } from './upstream/upstream.ts'

/** What outlives a change of configuration: connections and buckets that the change does not touch. */
export interface Lasting {
  readonly config: Config
  readonly upstream: Upstream
  readonly limiter: RateLimiter
}

export interface NewRuling {
  readonly ruling: Ruling
  readonly lasting: Lasting
}

/**
 * Makes a ruling of a configuration. `before` is kept where its part of the configuration is the same.
 * Throws a CageError when the configuration names something that cannot be used; nothing has changed then.
 */
export async function makeRuling(config: Config, bindings: readonly SecretBinding[], clock: () => Date, before?: Lasting): Promise<NewRuling> {
  const sameUpstream = before !== undefined && same([before.config.upstream, before.config.dns_servers], [config.upstream, config.dns_servers])
  const sameLimit = before !== undefined && same(before.config.rate_limit, config.rate_limit)
  const secrets = new SecretSet(bindings)
  const policy = new DomainPolicy(config.domains)
  const limiter = sameLimit ? before.limiter : new RateLimiter(config.rate_limit)
  const upstream = sameUpstream ? before.upstream : await Upstream.create(config)
  const chain = new InspectorChain([
    rateLimitInspector(limiter, clock),
    domainInspector(policy, clock),
    bodySizeInspector(config.max_request_body),
  ])
  return {
    ruling: { policy, chain, secrets, upstream, maxBodyBytes: config.max_request_body, logging: config.logging },
    lasting: { config, upstream, limiter },
  }
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
