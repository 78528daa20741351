/**
 * A token bucket for each host: `burst` requests at once, `requests_per_second` after that. A request beyond is told
 * after how many whole seconds there is a token again. The clock is the caller's.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseHostname, type Hostname } from '../../src/policy/host.ts'
import { RateLimiter } from '../../src/policy/rate-limit.ts'

const api = host('api.test')

test('a full bucket gives a burst, then what flows in', () => {
  const limiter = new RateLimiter({ requests_per_second: 2, burst: 3 })
  assert.deepEqual(
    [0, 0, 0, 0].map((now) => limiter.take(api, now)),
    [0, 0, 0, 1],
  )
  assert.equal(limiter.take(api, 499), 1)
  assert.equal(limiter.take(api, 500), 0)
  assert.equal(limiter.take(api, 500), 1)
})

test('hosts do not share a bucket', () => {
  const limiter = new RateLimiter({ requests_per_second: 1, burst: 1 })
  assert.deepEqual([limiter.take(api, 0), limiter.take(host('other.test'), 0), limiter.take(api, 0)], [0, 0, 1])
})

test('the wait is told in whole seconds, and is long enough', () => {
  const limiter = new RateLimiter({ requests_per_second: 0.25, burst: 1 })
  limiter.take(api, 0)
  const wait = limiter.take(api, 500)
  assert.equal(wait, 4)
  assert.equal(limiter.take(api, 500 + wait * 1000), 0)
})

test('a bucket holds no more than its burst', () => {
  const limiter = new RateLimiter({ requests_per_second: 10, burst: 2 })
  limiter.take(api, 0)
  assert.deepEqual(
    [0, 0, 0].map(() => limiter.take(api, 3_600_000)),
    [0, 0, 1],
  )
})

test('no rate means no limit; no burst means no request', () => {
  const open = new RateLimiter({ requests_per_second: 0, burst: 0 })
  assert.ok([...Array(1000).keys()].every(() => open.take(api, 0) === 0))
  const shut = new RateLimiter({ requests_per_second: 5, burst: 0 })
  assert.ok([0, 1000, 1_000_000].every((now) => shut.take(api, now) > 0))
})

test('a clock that runs backwards takes nothing away and gives nothing', () => {
  const limiter = new RateLimiter({ requests_per_second: 1, burst: 1 })
  limiter.take(api, 10_000)
  assert.equal(limiter.take(api, 0), 1)
  assert.equal(limiter.take(api, 1000), 0)
})

test('over any time, no more than the burst and what flowed in is let through', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 100 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (waits, rate, burst) => {
      const limiter = new RateLimiter({ requests_per_second: rate, burst })
      let now = 0
      let taken = 0
      for (const wait of waits) {
        now += wait
        const answer = limiter.take(api, now)
        if (answer === 0) taken += 1
        else assert.ok(Number.isInteger(answer) && answer >= 1)
        assert.ok(taken <= burst + (now / 1000) * rate + 1e-6)
      }
    }),
  )
})

test('a flood of hosts does not grow without bound', () => {
  const limiter = new RateLimiter({ requests_per_second: 1, burst: 1 })
  for (let index = 0; index < 20_000; index++) limiter.take(host(`h${index}.test`), 0)
  // The one unused longest was forgotten, and starts anew; the one used last was not.
  assert.equal(limiter.take(host('h0.test'), 0), 0)
  assert.equal(limiter.take(host('h19999.test'), 0), 1)
})

function host(text: string): Hostname {
  const parsed = parseHostname(text)
  assert.ok(parsed !== undefined)
  return parsed
}
