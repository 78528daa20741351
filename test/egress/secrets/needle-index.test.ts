/**
 * Search for many byte strings at once.
 *
 * `indexOf` gives the first position at which any needle starts, `longestAt` the longest needle there, and
 * `unfinishedFrom` the first position from which the rest of the bytes could become a needle with more of them.
 * All three answer exactly like a naive search, for any number and length of needles.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { NeedleIndex } from '../../../src/egress/secrets/needle-index.ts'
import { fuzz } from '../../support/fuzz.ts'

const index = (...needles: string[]): NeedleIndex => new NeedleIndex(needles.map((needle) => Buffer.from(needle)))

test('finds the first needle and the longest of those that start there', () => {
  const needles = index('key', 'keyring', 'ring', 'o')
  const text = Buffer.from('a keyring of keys')
  const at = needles.indexOf(text)
  assert.equal(at, 2)
  assert.equal(String(needles.needles[needles.longestAt(text, at)]), 'keyring')
  assert.equal(needles.indexOf(text, 3), 5)
  assert.equal(needles.indexOf(text, 6), 10)
})

test('finds a needle that is all of the text, at its start and at its end', () => {
  for (const needle of ['x', 'xy', 'xyz', 'x'.repeat(300), 'abcdefghijklmnopqrstuvwxyz']) {
    const needles = index(needle)
    assert.equal(needles.indexOf(Buffer.from(needle)), 0)
    assert.equal(needles.indexOf(Buffer.from(`${needle}--------`)), 0)
    assert.equal(needles.indexOf(Buffer.from(`--------${needle}`)), 8)
    assert.equal(needles.indexOf(Buffer.from(needle.slice(0, -1))), -1)
  }
})

test('without needles there is nothing to find and nothing to wait for', () => {
  const none = new NeedleIndex([])
  assert.equal(none.isEmpty, true)
  assert.equal(none.indexOf(Buffer.from('text')), -1)
  assert.equal(none.unfinishedFrom(Buffer.from('text')), 4)
})

test('an empty needle is refused: it would be everywhere', () => {
  assert.throws(() => index('a', ''), RangeError)
})

test('the unfinished rest is the start of a needle, never a whole one with nothing to add', () => {
  const needles = index('secret', 'secretary', 'tar')
  const unfinished = (text: string): string => text.slice(needles.unfinishedFrom(Buffer.from(text)))
  assert.equal(unfinished('no match'), '')
  assert.equal(unfinished('a s'), 's')
  assert.equal(unfinished('a secre'), 'secre')
  assert.equal(unfinished('a secret'), 'secret', 'may become secretary')
  assert.equal(unfinished('a secretary'), '')
  assert.equal(unfinished('a secreta'), 'secreta')
  assert.equal(unfinished('a secretx t'), 't')
})

test('property: answers like a naive search', () => {
  const alphabet = fc.constantFrom('a', 'b', 'c')
  const word = fc.string({ unit: alphabet, minLength: 1, maxLength: 12 })
  const text = fc.string({ unit: alphabet, maxLength: 200 })
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 50 }), text, (words, haystack) => {
      assertLikeNaive(words, haystack)
    }),
    { numRuns: 500 },
  )
})

test('fuzz: any bytes, few and many needles, short and long', async (t) => {
  await fuzz(t, { runs: 300 }, (random) => {
    const letters = random.pick(['ab', 'abcdefghij', String.fromCharCode(...Array(256).keys())])
    const word = (length: number): string => Array.from({ length }, () => random.pick(letters.split(''))).join('')
    const words = Array.from({ length: random.pick([1, 2, 33, 100]) }, () =>
      word(random.integer(1, random.pick([3, 9, 40]))),
    )
    const text = Array.from({ length: random.integer(0, 20) }, () =>
      random.chance(0.4) ? random.pick(words) : word(random.integer(0, 30)),
    )
    assertLikeNaive(words, text.join(''))
  })
})

test('fuzz: thousands of long needles, and texts that are nearly full of them', async (t) => {
  const all = String.fromCharCode(...Array(256).keys())
  await fuzz(t, { runs: 4 }, (random) => {
    const word = (letters: string, length: number): string =>
      Array.from({ length }, () => letters[random.integer(0, letters.length - 1)]).join('')
    const letters = (): string => random.pick(['abcdefghij', 'ABCdef0123-_', '0123456789', all])
    const words = Array.from({ length: 1500 }, () => word(letters(), random.integer(7, 40)))
    const text = Array.from({ length: 60 }, () => {
      const known = random.pick(words)
      const at = random.integer(0, known.length - 1)
      return random.chance(0.5) ? known : `${known.slice(0, at)}${word(all, 1)}${known.slice(at + 1)}`
    })
    assertLikeNaive(words, text.join(word(letters(), random.integer(0, 3))))
  })
})

test('fuzz: texts of several blocks of a pass, with needles here and there, at the ends of blocks too', async (t) => {
  const all = String.fromCharCode(...Array(256).keys())
  await fuzz(t, { runs: 12 }, (random) => {
    const letters = random.pick(['abcdefghij', 'ABCdef0123-_', '0123456789', all])
    const word = (from: string, length: number): string =>
      Array.from({ length }, () => from[random.integer(0, from.length - 1)]).join('')
    const needles = Array.from({ length: random.pick([1, 40, 1500]) }, () =>
      Buffer.from(word(letters, random.integer(7, 40)), 'latin1'),
    )
    const noise = word(random.pick([letters, ' the quick brown fox', all]), 997)
    const shift = random.integer(0, 3)
    const bytes = Buffer.alloc(100_000, noise, 'latin1').subarray(shift)
    const places = [
      1020,
      33_780,
      33_792,
      66_560,
      99_940,
      ...Array.from({ length: 20 }, () => random.integer(0, 99_000)),
    ]
    for (const at of places) bytes.set(random.pick(needles), at - random.integer(0, 8) * Number(at > 8))
    const needleIndex = new NeedleIndex(needles)
    const found: number[] = []
    for (let at = needleIndex.indexOf(bytes); at !== -1; at = needleIndex.indexOf(bytes, at + 1)) found.push(at)
    const expected = new Set<number>()
    for (const needle of needles)
      for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + 1)) expected.add(at)
    assert.deepEqual(
      found,
      [...expected].toSorted((a, b) => a - b),
    )
  })
})

/** Texts hold bytes as Latin-1. */
function assertLikeNaive(words: readonly string[], text: string): void {
  const needles = new NeedleIndex(words.map((word) => Buffer.from(word, 'latin1')))
  const bytes = Buffer.from(text, 'latin1')
  const starts = text.split('').map((_, at) =>
    words
      .filter((word) => text.startsWith(word, at))
      .toSorted(byLength)
      .at(-1),
  )
  const found: number[] = []
  for (let at = needles.indexOf(bytes); at !== -1; at = needles.indexOf(bytes, at + 1)) found.push(at)
  const expected = [...starts.keys()].filter((at) => starts[at] !== undefined)
  assert.deepEqual(found, expected)
  for (const at of starts.keys()) {
    assert.equal(needles.needles[needles.longestAt(bytes, at)]?.toString('latin1'), starts[at])
  }
  const rest = [...starts.keys()].find((at) =>
    words.some((word) => word.length > text.length - at && word.startsWith(text.slice(at))),
  )
  assert.equal(needles.unfinishedFrom(bytes), rest ?? text.length)
}

function byLength(a: string, b: string): number {
  return a.length - b.length
}
