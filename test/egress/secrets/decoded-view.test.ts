/**
 * Escapes resolved, with the way back to where each byte stood.
 *
 * Percent escapes and JSON escapes of printable ASCII are resolved; everything else, damaged escapes included, stays.
 * Replacing a range of the original that a range of the view points to replaces exactly what the reader sees there.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { alphabetOf, decodedView } from '../../../src/egress/secrets/decoded-view.ts'
import { fuzz } from '../../support/fuzz.ts'

const PRINTABLE = alphabetOf({ needles: [Buffer.from(Array.from({ length: 0x5e }, (_, i) => 0x21 + i))] })
const LETTERS = alphabetOf({ needles: [Buffer.from('ABCabc')] })

const percent = (text: string): string | undefined =>
  decodedView(Buffer.from(text), 'percent', PRINTABLE)?.bytes.toString()
const json = (text: string): string | undefined => decodedView(Buffer.from(text), 'json', PRINTABLE)?.bytes.toString()

test('percent escapes', () => {
  assert.equal(percent('a%3Ab%3a%7E'), 'a:b:~')
  assert.equal(percent('%2541'), '%41', 'once, not twice')
  assert.equal(percent('%20%0a%C3%A9%zz%4'), undefined, 'no printable ASCII, or no escape')
  assert.equal(percent('%zz%41%%41%'), '%zzA%A%')
  assert.equal(percent(''), undefined)
})

test('JSON escapes', () => {
  assert.equal(json('\\u0041\\/\\"\\\\'), 'A/"\\')
  assert.equal(json('\\\\u0041'), '\\u0041', 'an escaped backslash begins no escape')
  assert.equal(json('\\\\\\u0041'), '\\A')
  assert.equal(json('\\n\\t\\u0000\\u00e9\\u2028\\'), undefined)
  assert.equal(json('\\n\\u0041\\n'), '\\nA\\n')
  assert.equal(json('\\u004'), undefined)
})

test('escapes of what is not searched for stay, and are still read as escapes', () => {
  const view = (text: string, dialect: 'json' | 'percent'): string | undefined =>
    decodedView(Buffer.from(text), dialect, LETTERS)?.bytes.toString()
  assert.equal(view('\\"\\/\\u0022', 'json'), undefined)
  assert.equal(view('\\\\u0061', 'json'), undefined)
  assert.equal(view('\\"\\\\\\u0061', 'json'), '\\"\\\\a')
  assert.equal(view('%2541%41%2f', 'percent'), '%2541A%2f')
})

test('raw text has no escapes', () => {
  assert.equal(decodedView(Buffer.from('%41\\u0041'), 'raw', PRINTABLE), undefined)
})

test('property: what JSON and URLs escape is seen again', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', '"', '\\', '/', '%', ':', '+', '<', 'é', '\n'), maxLength: 40 }),
      (text) => {
        const printable = text.replaceAll('\n', '').replaceAll('é', '')
        const escaped = JSON.stringify(printable).slice(1, -1)
        assert.equal(json(escaped) ?? escaped, printable)
        const encoded = encodeURIComponent(printable)
        assert.equal(percent(encoded) ?? encoded, printable)
      },
    ),
  )
})

test('property: source offsets lead to what the reader sees, asked in any order', () => {
  const piece = fc.constantFrom('a', '%41', '%', '%2', '%zz', '\\u0041', '\\\\', '\\n', '\\u00e9', '\\', 'é', '"')
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.constantFrom('json' as const, 'percent' as const),
      fc.constantFrom(PRINTABLE, LETTERS),
      (pieces, dialect, alphabet) => {
        const bytes = Buffer.from(pieces.join(''))
        const view = decodedView(bytes, dialect, alphabet)
        if (view === undefined) return
        const forward = [...view.bytes.keys(), view.bytes.length].map((offset) => view.sourceOffset(offset))
        const backward = [...view.bytes.keys(), view.bytes.length]
          .toReversed()
          .map((offset) => view.sourceOffset(offset))
        assert.deepEqual(backward.toReversed(), forward)
        assert.equal(forward.at(-1), bytes.length)
        for (const [offset, byte] of view.bytes.entries()) {
          const source = bytes.subarray(forward[offset], forward[offset + 1])
          assert.ok(source.length > 0)
          const seen = decodedView(source, dialect, alphabet)?.bytes ?? source
          assert.deepEqual([...seen], [byte], pieces.join(''))
        }
      },
    ),
    { numRuns: 1000 },
  )
})

test('fuzz: any bytes', async (t) => {
  await fuzz(t, { runs: 500 }, (random) => {
    const material = Buffer.from('%\\u0041"/zé')
    const bytes = Buffer.from(Array.from({ length: random.integer(0, 60) }, () => random.pick([...material])))
    for (const dialect of ['json', 'percent'] as const) {
      const view = decodedView(bytes, dialect, PRINTABLE)
      if (view === undefined) continue
      assert.ok(view.bytes.length < bytes.length)
      assert.equal(view.sourceOffset(view.bytes.length), bytes.length)
    }
  })
})
