/**
 * In the base64 of pictures and archives short formats occur by chance: there they are flagged and block nothing. A
 * credential that stands by itself, in text, or behind something that is no base64 is blocked as ever.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLikelyChance } from '../../../../src/egress/inspect/patterns/chance.ts'
import { hasBase62Checksum } from '../../../../src/egress/inspect/patterns/checksum.ts'
import { PatternMatcher } from '../../../../src/egress/inspect/patterns/matcher.ts'
import { SECRET_PATTERNS } from '../../../../src/egress/inspect/patterns/table.ts'
import { secretsInspector } from '../../../../src/egress/inspect/secrets.ts'
import type { Verdict } from '../../../../src/egress/inspect/inspector.ts'
import { contextOf, randomLike } from '../entropy-traffic.ts'
import { DEFAULT_DECODING } from '../default-decoding.ts'

const KEY = `AI${'za'}${'a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi0oKx'.slice(0, 35)}`
const RANDOM = randomLike(3000).toString('base64')
const HALF = RANDOM.length / 2

const inspector = secretsInspector({
  action: 'block',
  undecodable: 'block',
  decoding: DEFAULT_DECODING,
  builtinAllow: true,
  allow: new Map(),
  extra: [],
  exempt: [],
})

async function kind(body: string): Promise<string> {
  const verdict: Verdict | undefined = await inspector.inspectRequest?.(contextOf({ body }))
  return verdict?.kind ?? 'none'
}

test('in the midst of base64 it is a flag', async () => {
  const image = RANDOM.slice(0, HALF) + KEY + RANDOM.slice(HALF)
  assert.equal(await kind(image), 'flag')
  assert.equal(await kind(JSON.stringify({ data: image })), 'flag')
  assert.equal(await kind(image.replace(KEY, '\n$&\n')), 'flag')
})

test('so many of them are no chance', async () => {
  const image = RANDOM.slice(0, HALF) + KEY + RANDOM.slice(HALF)
  assert.equal(await kind(image.repeat(64)), 'flag')
  assert.equal(await kind(image.repeat(65)), 'block')
})

test('anywhere else it blocks', async () => {
  const bodies: Readonly<Record<string, string>> = {
    alone: KEY,
    'in JSON beside an image': JSON.stringify({ image: RANDOM, key: KEY }),
    'at the end of a short run': RANDOM.slice(0, 500) + KEY,
    'in a run that is not random': 'abcd'.repeat(600) + KEY + 'efgh'.repeat(600),
    'between words': `${'words-and-more-words/'.repeat(200)}${KEY}${'/words-and-more-words'.repeat(200)}`,
  }
  for (const [name, body] of Object.entries(bodies)) {
    assert.equal(await kind(body), 'block', name)
  }
})

const SIGNATURE = randomLike(256, 'signature').toString('base64url')
/** A token of GitHub whose checksum holds, and one whose checksum does not. */
const GITHUB = `gh${'p_'}${'zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17'}`
const UNPROVEN = `${GITHUB.slice(0, -1)}8`

test('in the midst of a signature in a URL it is a flag, and not where the word begins with it or is a word', async () => {
  const within = (text: string): string => SIGNATURE.slice(0, 150) + text + SIGNATURE.slice(150)
  for (const text of [KEY, UNPROVEN]) {
    assert.equal(await kind(`https://cdn.test/a?Signature=${within(text)}&Key-Pair-Id=K1`), 'flag')
    assert.equal(await kind(`https://cdn.test/a?Signature=${text}&Key-Pair-Id=K1`), 'block')
    assert.equal(await kind(`https://cdn.test/a?Signature=${text}${SIGNATURE}&Key-Pair-Id=K1`), 'block')
    assert.equal(await kind(`the-name-of-a-branch-that-somebody-made-for-a-feature-and-more-of-it-${text}`), 'block')
    assert.equal(
      await kind(`A_KEY=${randomLike(60, 'env').toString('base64url')}\nB_KEY=${text}\nC_KEY=${SIGNATURE}\n`),
      'block',
    )
  }
})

test('a checksum that holds tells the real one wherever it stands', async () => {
  assert.ok(hasBase62Checksum(GITHUB))
  assert.ok(!hasBase62Checksum(UNPROVEN))
  assert.equal(await kind(SIGNATURE + GITHUB + SIGNATURE), 'block')
  assert.equal(await kind(`${RANDOM.slice(0, HALF)}${GITHUB}${RANDOM.slice(HALF)}`), 'block')
})

test('forty thousand signatures of 256 bytes: what they hold by chance blocks none', () => {
  const matcher = new PatternMatcher(SECRET_PATTERNS)
  let hits = 0
  for (let block = 0; block < 20; block += 1) {
    const bytes = Buffer.from(
      Array.from({ length: 2000 }, (_, n) => randomLike(256, `${block} ${n}`).toString('base64url')).join(
        '&Signature=',
      ),
    )
    matcher.search(bytes, (hit) => {
      if (hit.pattern.isGuess !== true && !isLikelyChance(hit.pattern, bytes, hit)) hits += 1
      return false
    })
  }
  assert.equal(hits, 0)
})

test('formats that begin with more are blocked there too', async () => {
  const long = SECRET_PATTERNS.filter(
    ({ anchor }) => anchor.kind === 'literals' && anchor.literals.every((text) => text.length > 6),
  )
  assert.ok(long.length > 20)
  for (const { name, examples, isGuess } of long) {
    if (isGuess !== true)
      assert.equal(await kind(`${RANDOM.slice(0, HALF)}\n${examples.positive}\n${RANDOM.slice(HALF)}`), 'block', name)
  }
})

test('ten megabytes of random base64 block nothing', async () => {
  const found = new Set<string>()
  const body = randomLike(7_500_000, 'chance').toString('base64')
  new PatternMatcher(SECRET_PATTERNS).search(Buffer.from(body), ({ pattern }) => {
    found.add(pattern.name)
    return false
  })
  assert.notEqual(await kind(body), 'block', [...found].join(', '))
})
