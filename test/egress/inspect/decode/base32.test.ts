/** Rows of ASCII in base32 are found at each alignment, in one pass over the bits; against the obvious way, letter by letter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base32Text } from '../../../../src/egress/inspect/decode/base32.ts'
import { finished } from '../../../../src/egress/inspect/steps.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const SECRET = 'sesame-open-1234567890'

test('text is found at each alignment, in either case, wrapped or not', () => {
  for (let before = 0; before < 8; before += 1) {
    const letters = 'x'.repeat(before) + encoded(Buffer.from(SECRET))
    for (const disguise of [letters, letters.toUpperCase(), wrapped(letters, '\n'), wrapped(letters, '\\r\\n')])
      assert.ok(found(`"${disguise}"`).includes(SECRET), disguise)
  }
})

test('any letters give all rows of ASCII that there are', () => {
  const text = fc.stringMatching(/^[ -~]{0,40}$/)
  const noise = fc.array(fc.nat(31), { maxLength: 60 }).map((values) => values.map((at) => ALPHABET[at]).join(''))
  fc.assert(
    fc.property(noise, text, noise, (before, middle, after) => {
      const letters = before + encoded(Buffer.from(middle)) + after
      const views = found(letters)
      for (const row of rowsOf(letters)) assert.ok(views.includes(row), row)
    }),
    { numRuns: 300 },
  )
})

test('attack: megabytes of one letter, in which each alignment is one endless row or none, are no work', () => {
  for (const letter of ['a', 'x', 'h']) assert.equal(found(letter.repeat(2_000_000)), '')
})

function found(text: string): string {
  return finished(base32Text(Buffer.from(text)))?.toString('latin1') ?? ''
}

function wrapped(letters: string, end: string): string {
  return letters.replaceAll(/(.{20})/g, `$1${end}`)
}

function encoded(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  return groups.map((group) => ALPHABET[Number.parseInt(group.padEnd(5, '0'), 2)]).join('')
}

/** Rows of at least twelve printable characters, by decoding from each of the first eight letters on. */
function* rowsOf(letters: string): Generator<string> {
  if (letters.length < 26) return
  for (let skipped = 0; skipped < 8; skipped += 1) {
    const values = letters
      .slice(skipped)
      .split('')
      .map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0'))
    const bytes = (values.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
    yield* String.fromCodePoint(...bytes).match(/[ -~]{12,}/g) ?? []
  }
}
