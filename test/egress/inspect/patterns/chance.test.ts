/**
 * In the base64 of pictures and archives short formats occur by chance: there they are flagged and block nothing. A
 * credential that stands by itself, in text, or behind something that is no base64 is blocked as ever.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PatternMatcher } from '../../../../src/egress/inspect/patterns/matcher.ts'
import { SECRET_PATTERNS } from '../../../../src/egress/inspect/patterns/table.ts'
import { DECODING } from '../../../../src/egress/inspect/decode/limits.ts'
import { secretsInspector } from '../../../../src/egress/inspect/secrets.ts'
import type { Verdict } from '../../../../src/egress/inspect/inspector.ts'
import { contextOf, randomLike } from '../entropy-traffic.ts'

const KEY = `AI${'za'}${'a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi0oKx'.slice(0, 35)}`
const RANDOM = randomLike(3000).toString('base64')
const HALF = RANDOM.length / 2

const inspector = secretsInspector({
  action: 'block',
  undecodable: 'block',
  decoding: DECODING,
  builtinAllow: true,
  allow: new Map(),
  extra: [],
  exempt: [],
})

function kind(body: string): string {
  const verdict = inspector.inspectRequest?.(contextOf({ body })) as Verdict | undefined
  return verdict?.kind ?? 'none'
}

test('in the midst of base64 it is a flag', () => {
  const image = RANDOM.slice(0, HALF) + KEY + RANDOM.slice(HALF)
  assert.equal(kind(image), 'flag')
  assert.equal(kind(JSON.stringify({ data: image })), 'flag')
  assert.equal(kind(image.replace(KEY, '\n$&\n')), 'flag')
})

test('anywhere else it blocks', () => {
  const bodies: Readonly<Record<string, string>> = {
    alone: KEY,
    'in JSON beside an image': JSON.stringify({ image: RANDOM, key: KEY }),
    'at the end of a short run': RANDOM.slice(0, 500) + KEY,
    'in a run that is not random': 'abcd'.repeat(600) + KEY + 'efgh'.repeat(600),
    'between words': `${'words-and-more-words/'.repeat(200)}${KEY}${'/words-and-more-words'.repeat(200)}`,
  }
  for (const [name, body] of Object.entries(bodies)) {
    assert.equal(kind(body), 'block', name)
  }
})

test('formats that begin with more are blocked there too', () => {
  const long = SECRET_PATTERNS.filter(
    ({ anchor }) => anchor.kind === 'literals' && anchor.literals.every((text) => text.length > 6),
  )
  assert.ok(long.length > 20)
  for (const { name, examples, isGuess } of long) {
    if (isGuess !== true)
      assert.equal(kind(`${RANDOM.slice(0, HALF)}\n${examples.positive}\n${RANDOM.slice(HALF)}`), 'block', name)
  }
})

test('ten megabytes of random base64 block nothing', () => {
  const found = new Set<string>()
  const body = randomLike(7_500_000, 'chance').toString('base64')
  new PatternMatcher(SECRET_PATTERNS).search(Buffer.from(body), ({ pattern }) => {
    found.add(pattern.name)
    return false
  })
  assert.notEqual(kind(body), 'block', [...found].join(', '))
})
