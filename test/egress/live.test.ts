/** When the egress ends, so does what is under way; and what only comes then: nothing leaves that nobody records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Denial } from '../../src/egress/denial.ts'
import { LiveExchanges } from '../../src/egress/live.ts'
import { refuseForbidden } from '../../src/egress/http/judgement.ts'
import { configSchema } from '../../src/config/schema.ts'
import { DomainPolicy } from '../../src/policy/domains.ts'
import { parseAuthority } from '../../src/policy/host.ts'

const CLOSED = new Denial('egress_closed', 'the egress is shutting down')

function watched(): { readonly exchange: Parameters<LiveExchanges['add']>[0]; readonly ends: Denial[] } {
  const authority = parseAuthority('api.test:443')
  assert.ok(authority)
  const ends: Denial[] = []
  return { exchange: { query: { ...authority, method: 'GET', path: '/' }, end: (denial) => ends.push(denial) }, ends }
}

test('all that are under way end, and those that have ended do not', () => {
  const live = new LiveExchanges()
  const [stays, leaves] = [watched(), watched()]
  live.add(stays.exchange)
  live.remove(live.add(leaves.exchange))
  live.endAll(CLOSED)
  assert.deepEqual([stays.ends, leaves.ends], [[CLOSED], []])
})

test('one that comes after that, held up by a look at its body, ends as it comes', () => {
  const live = new LiveExchanges()
  live.endAll(CLOSED)
  const late = watched()
  live.remove(live.add(late.exchange))
  assert.deepEqual(late.ends, [CLOSED])
})

test('one that is about to go out after that is refused, whatever the policy says', () => {
  const { domains } = configSchema.parse({ domains: { mode: 'allowlist', list: ['api.test'] } })
  const live = new LiveExchanges()
  const core = { live, clock: () => new Date(), ruling: () => ({ policy: new DomainPolicy(domains) }) }
  const { query } = watched().exchange
  refuseForbidden(core, query)
  live.endAll(CLOSED)
  assert.throws(() => refuseForbidden(core, query), CLOSED)
})
