/**
 * Data in the names of hosts: labels that are long and random are flagged, and so is a zone below which many different
 * names are used; past the budget of names or bytes it is blocked until the hour is over. A name said twice is free.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HostLabelBudget } from '../../../src/egress/inspect/host-labels-budget.ts'
import { suspiciousLabels } from '../../../src/egress/inspect/host-labels-measure.ts'
import {
  hostLabelsInspector,
  judgeHostLabels,
  zoneFinder,
  type HostLabelSettings,
} from '../../../src/egress/inspect/host-labels.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'
import { contextOf, randomLike } from './entropy-traffic.ts'

const HOUR = 3_600_000
const SETTINGS: HostLabelSettings = { action: 'flag', names_per_hour: 500, label_bytes_per_hour: 16_384 }

function rules(settings: Partial<HostLabelSettings> = {}, list = ['example.com']) {
  const merged = { ...SETTINGS, ...settings }
  const zoneOf = zoneFinder({ mode: 'allowlist', list: list.map((name) => ({ host: name as Hostname })) })
  return { settings: merged, budget: new HostLabelBudget(merged), zoneOf }
}

function host(name: string): Hostname {
  const parsed = parseHostname(name)
  assert.ok(parsed !== undefined, name)
  return parsed
}

function base32(bytes: Buffer): string {
  return [...bytes].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('')
}

const ENCODINGS: Readonly<Record<string, (bytes: Buffer) => string>> = {
  hexadecimal: (bytes) => bytes.toString('hex').slice(0, 60),
  base32: (bytes) => base32(bytes).slice(0, 60),
  base36: (bytes) =>
    [...bytes]
      .map((byte) => (byte % 36).toString(36))
      .join('')
      .slice(0, 60),
}

for (const [name, encode] of Object.entries(ENCODINGS)) {
  test(`${name} in a label is seen`, (t) => {
    const reasons = Array.from({ length: 500 }, (_, seed) => suspiciousLabels(encode(randomLike(64, seed))))
    const seen = reasons.filter((reason) => reason !== undefined)
    t.diagnostic(`${seen.length} of ${reasons.length}`)
    assert.ok(seen.length >= 490)
    for (const reason of seen) assert.match(reason, /^high entropy host label: \d\.\d\d \(60 characters\)$/)
  })
  test(`${name} in many short labels is seen`, () => {
    const labels = Array.from({ length: 6 }, (_, index) => encode(randomLike(64, index)).slice(0, 30)).join('.')
    assert.match(suspiciousLabels(labels) ?? '', /\(180 characters\)$/)
  })
}

test('a flag blocks with action: block', () => {
  const data = host(`${base32(randomLike(60))}.example.com`)
  assert.equal(judgeHostLabels(rules(), data, 0).kind, 'flag')
  assert.equal(judgeHostLabels(rules({ action: 'block' }), data, 0).kind, 'block')
})

test('the zone itself and addresses have no labels', () => {
  const context = rules({ names_per_hour: 1 })
  for (let count = 0; count < 5; count++) {
    for (const name of ['example.com', '192.0.2.1', '2001:db8::1'])
      assert.equal(judgeHostLabels(context, host(name), 0).kind, 'pass')
  }
})

test('different names are counted, flagged from half of the limit on, and blocked past it', () => {
  const context = rules({ names_per_hour: 10 })
  const kinds = Array.from(
    { length: 12 },
    (_, index) => judgeHostLabels(context, host(`n${index}.example.com`), 1000).kind,
  )
  assert.deepEqual(kinds, [...Array<string>(5).fill('pass'), ...Array<string>(5).fill('flag'), 'block', 'block'])
  assert.deepEqual(judgeHostLabels(context, host('more.example.com'), 1_001_000), {
    kind: 'block',
    reason: 'host label budget exceeded: 11 > 10 names per hour under example.com',
    severity: 'error',
    code: 'budget_exceeded',
    retryAfter: 2600,
  })
})

test('names that were said before pass even past the limit', () => {
  const context = rules({ names_per_hour: 2 })
  for (const name of ['a', 'b', 'c', 'a', 'b']) judgeHostLabels(context, host(`${name}.example.com`), 0)
  assert.equal(judgeHostLabels(context, host('a.example.com'), 0).kind, 'pass')
  assert.equal(judgeHostLabels(context, host('c.example.com'), 0).kind, 'block')
})

test('bytes are counted too', () => {
  const context = rules({ names_per_hour: 0, label_bytes_per_hour: 100 })
  const verdicts = Array.from({ length: 6 }, (_, index) =>
    judgeHostLabels(context, host(`${'word-'.repeat(4)}${index}.example.com`), 0),
  )
  assert.deepEqual(
    verdicts.map(({ kind }) => kind),
    ['pass', 'pass', 'flag', 'flag', 'block', 'block'],
  )
  assert.match(JSON.stringify(verdicts.at(-1)), /105 > 100 bytes per hour under example\.com/)
})

test('an hour later a name is forgotten', () => {
  const context = rules({ names_per_hour: 1 })
  assert.equal(judgeHostLabels(context, host('a.example.com'), 0).kind, 'flag')
  assert.equal(judgeHostLabels(context, host('b.example.com'), HOUR - 1).kind, 'block')
  assert.equal(judgeHostLabels(context, host('b.example.com'), HOUR).kind, 'flag')
})

test('entries below an entry do not multiply its budget', () => {
  const zoneOf = zoneFinder({
    mode: 'allowlist',
    list: ['example.com', 'a.example.com'].map((name) => ({ host: name as Hostname })),
  })
  assert.equal(zoneOf(host('x.a.example.com')), 'example.com')
})

test('where nothing is listed a zone is what can be registered', () => {
  const zoneOf = zoneFinder({ mode: 'blocklist', list: [] })
  assert.equal(zoneOf(host('a.b.example.com')), 'example.com')
  assert.equal(zoneOf(host('a.b.example.co.uk')), 'example.co.uk')
  assert.equal(zoneOf(host('localhost')), 'localhost')
})

test('never more than the limits within any hour, whatever is asked', () => {
  const asked = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: HOUR / 4 })), { maxLength: 120 })
  fc.assert(
    fc.property(asked, (steps) => {
      const context = rules({ names_per_hour: 7, label_bytes_per_hour: 60 })
      const passed: { name: string; at: number }[] = []
      let now = 0
      for (const [number, wait] of steps) {
        now += wait
        const name = `label${number}`
        if (judgeHostLabels(context, host(`${name}.example.com`), now).kind !== 'block') passed.push({ name, at: now })
        const recent = new Set(passed.filter(({ at }) => at > now - HOUR).map((use) => use.name))
        // A name lives for an hour from its first use, so one may be known still that was last used a moment ago.
        assert.ok(recent.size <= 14)
      }
    }),
  )
})

test('a flood of names keeps memory within the limits', () => {
  const budget = new HostLabelBudget({ names_per_hour: 0, label_bytes_per_hour: 0 })
  for (let index = 0; index < 30_000; index++) budget.use('example.com' as Hostname, `n${index}`, 0)
  const use = budget.use('example.com' as Hostname, 'last', 0)
  assert.ok(use.kind === 'within' && use.bytes <= 10_000 * 6)
})

test('the inspector looks at the head, before a body is read, and at names that DNS is asked for', () => {
  const inspector = hostLabelsInspector(rules(), () => new Date(0))
  assert.deepEqual(inspector.inspectHead?.(contextOf({ host: 'www.example.com' })), { kind: 'pass' })
  assert.deepEqual(inspector.inspectQuestion?.(contextOf({ host: 'www.example.com' })), { kind: 'pass' })
  assert.deepEqual(Object.keys(inspector), ['name', 'inspectHead', 'inspectQuestion'])
})
