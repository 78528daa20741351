/**
 * The data budget: what leaves within an hour, for all hosts together and for some. It counts heads, bodies and
 * messages, takes nothing for what it refuses, and says when there will be room.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HourWindow } from '../../../src/egress/inspect/budget-window.ts'
import { budgetInspector, DataBudget, type BudgetSettings } from '../../../src/egress/inspect/budget.ts'
import type { Verdict } from '../../../src/egress/inspect/inspector.ts'
import type { Hostname } from '../../../src/policy/host.ts'
import { contextOf, type Sent } from './entropy-traffic.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const HOST = 'api.example.com' as Hostname

function request(settings: Partial<BudgetSettings>, ...requests: readonly Sent[]): Verdict[] {
  const inspector = budgetInspector(new DataBudget({ bytes_per_hour: 0, per_host: {}, ...settings }), () => new Date(0))
  return requests.map((sent) => inspector.inspectRequest?.(contextOf(sent)) as Verdict)
}

test('without limits everything passes', () => {
  assert.deepEqual(request({}, { body: Buffer.alloc(1_000_000) }), [{ kind: 'pass' }])
})

test('bodies, paths and fields count', () => {
  // POST / HTTP/1.1 and the line end are 17 bytes.
  assert.equal(request({ bytes_per_hour: 117 }, { body: Buffer.alloc(100) })[0]?.kind, 'pass')
  assert.equal(request({ bytes_per_hour: 116 }, { body: Buffer.alloc(100) })[0]?.kind, 'block')
  assert.equal(request({ bytes_per_hour: 117 }, { path: `/${'x'.repeat(101)}` })[0]?.kind, 'block')
  assert.equal(request({ bytes_per_hour: 117 }, { headers: ['X-Data', 'x'.repeat(100)] })[0]?.kind, 'block')
})

test('the reason names the sum, the limit and the host that has it', () => {
  const [, all] = request({ bytes_per_hour: 1000 }, { body: Buffer.alloc(800) }, { body: Buffer.alloc(800) })
  assert.deepEqual(all, {
    kind: 'block',
    reason: 'data budget exceeded: 1634 > 1000 bytes per hour',
    severity: 'error',
    code: 'budget_exceeded',
    retryAfter: 3600,
  })
  const [one] = request({ per_host: { 'Example.com': 10 } }, { body: 'x' })
  assert.equal(one?.kind === 'block' && one.reason, 'data budget exceeded: 18 > 10 bytes per hour to example.com')
})

test('subdomains share the limit of their host, and other hosts do not', () => {
  const kinds = request(
    { per_host: { 'example.com': 1000 } },
    { host: 'a.example.com', body: Buffer.alloc(600) },
    { host: 'b.example.com', body: Buffer.alloc(600) },
    { host: 'other.test', body: Buffer.alloc(6000) },
    { host: 'notexample.com', body: Buffer.alloc(6000) },
  ).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['pass', 'block', 'pass', 'pass'])
})

test('every limit on a host holds, and what one refuses is taken from none', () => {
  const budget = new DataBudget({ bytes_per_hour: 1000, per_host: { 'example.com': 500, 'api.example.com': 100 } })
  assert.equal(budget.take(HOST, 101, 0).kind, 'block')
  assert.equal(budget.take('example.com' as Hostname, 500, 0).kind, 'pass')
  assert.equal(budget.take(HOST, 1, 0).kind, 'block')
  assert.equal(budget.take('other.test' as Hostname, 500, 0).kind, 'pass')
  assert.equal(budget.take('other.test' as Hostname, 1, 0).kind, 'block')
})

test('a limit of 0 for a host lets nothing out to it', () => {
  assert.equal(request({ per_host: { 'example.com': 0 } }, {})[0]?.kind, 'block')
})

test('a request that says it cannot fit is refused by its head, and takes nothing', () => {
  const budget = new DataBudget({ bytes_per_hour: 1000, per_host: {} })
  const inspector = budgetInspector(budget, () => new Date(0))
  const head = (length: string): Verdict =>
    inspector.inspectHead?.(contextOf({ headers: ['Content-Length', length] })) as Verdict
  assert.equal(head('2000').kind, 'block')
  assert.equal(head('900').kind, 'pass')
  for (const odd of ['-1', '1e9', '', 'x', '9'.repeat(400)]) assert.equal(head(odd).kind, 'pass', odd.slice(0, 10))
  assert.equal(budget.check(HOST, 1000, 0).kind, 'pass')
})

test('messages count on their way out only', () => {
  const inspector = budgetInspector(new DataBudget({ bytes_per_hour: 1000, per_host: {} }), () => new Date(0))
  function message(direction: 'inbound' | 'outbound'): string {
    const verdict = inspector.inspectMessage?.(contextOf({ direction, protocol: 'websocket', body: Buffer.alloc(600) }))
    return (verdict as Verdict).kind
  }
  assert.deepEqual(
    [message('inbound'), message('inbound'), message('outbound'), message('outbound'), message('inbound')],
    ['pass', 'pass', 'pass', 'block', 'pass'],
  )
})

test('there is room again when the time that was named is over', () => {
  const budget = new DataBudget({ bytes_per_hour: 1000, per_host: {} })
  const start = 1_790_000_000_000
  budget.take(HOST, 600, start)
  budget.take(HOST, 400, start + 20 * MINUTE)
  const now = start + 30 * MINUTE
  const verdict = budget.take(HOST, 500, now)
  assert.ok(verdict.kind === 'block' && verdict.retryAfter !== undefined)
  assert.ok(verdict.retryAfter <= 30 * 60)
  assert.equal(budget.check(HOST, 500, now + verdict.retryAfter * 1000 - 1001).kind, 'block')
  assert.equal(budget.check(HOST, 500, now + verdict.retryAfter * 1000).kind, 'pass')
})

test('a clock that is set back gives no room', () => {
  const budget = new DataBudget({ bytes_per_hour: 1000, per_host: {} })
  budget.take(HOST, 1000, 10 * HOUR)
  assert.equal(budget.check(HOST, 1, 2 * HOUR).kind, 'block')
})

test('the window holds the last 59 to 60 minutes, whatever the steps', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.tuple(fc.nat({ max: 20 * MINUTE }), fc.nat({ max: 1000 })), { maxLength: 60 }),
      (start, steps) => {
        const window = new HourWindow()
        const added: { at: number; bytes: number }[] = []
        let now = start
        for (const [wait, bytes] of steps) {
          now += wait
          window.add(bytes, now)
          added.push({ at: now, bytes })
          const since = (age: number): number =>
            added.filter(({ at }) => at > now - age).reduce((sum, use) => sum + use.bytes, 0)
          const used = window.used(now)
          assert.ok(used <= since(HOUR) && used >= since(HOUR - MINUTE), `${used}`)
        }
      },
    ),
  )
})
