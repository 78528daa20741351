import type { RateLimiter } from '../../policy/rate-limit.ts'
import { PASS, type Inspector } from './inspector.ts'

/** How often: a token for each request to a host. */
export function rateLimitInspector(limiter: RateLimiter, clock: () => Date): Inspector {
  return {
    name: 'rate-limit',
    inspectHead({ host }) {
      const retryAfter = limiter.take(host, clock().getTime())
      if (retryAfter === 0) return PASS
      return { kind: 'block', reason: 'rate limit exceeded', severity: 'warning', code: 'rate_limited', retryAfter }
    },
  }
}
