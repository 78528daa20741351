/**
 * In long content every seventh place is looked at, and the search goes on behind what was found. Passes only leave out
 * places where nothing can begin: what is found, and its order, is what a plain walk finds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GramIndex, type IndexedText, type Piece } from '../../../src/egress/secrets/gram-index.ts'
import { GRAM } from '../../../src/egress/secrets/telling.ts'
import { fuzz } from '../../support/fuzz.ts'

test('fuzz: pieces in texts of several blocks of a pass', async (t) => {
  await fuzz(t, { runs: 12 }, (random) => {
    const letters = random.pick(['0123456789abcdef', 'ABCDEFabcdef012345-_', 'ab \xe9\xff\0'])
    const word = (from: string, length: number): string =>
      Array.from({ length }, () => from[random.integer(0, from.length - 1)]).join('')
    const texts = Array.from({ length: 5 }, () => textOf(Buffer.from(word(letters, 40), 'latin1')))
    const noise = word(random.pick(['The quick brown fox, "again":', `${letters}     `, letters]), 1009)
    const bytes = Buffer.alloc(80_000, noise, 'latin1')
    for (const at of [
      3,
      16_370,
      32_750,
      32_761,
      65_500,
      79_970,
      ...Array.from({ length: 30 }, () => random.integer(0, 79_000)),
    ]) {
      const { text } = random.pick(texts)
      const start = random.integer(0, 20)
      bytes.set(text.subarray(start, start + random.integer(8, 20)), at)
    }
    const range = { from: random.integer(0, 9), end: bytes.length - random.integer(0, 9), step: 7 }
    const found: Piece[] = []
    new GramIndex(texts).search(bytes, range, (piece) => found.push(piece))
    assert.deepEqual(found, walked(texts, bytes, range))
  })
})

function textOf(text: Buffer): IndexedText {
  return { text, least: 10, offsets: Array.from({ length: text.length - GRAM + 1 }, (_, offset) => offset) }
}

/** The same by a look at each place, one after another. */
function walked(
  texts: readonly IndexedText[],
  bytes: Buffer,
  { from, end, step }: { readonly from: number; readonly end: number; readonly step: number },
): Piece[] {
  const grams = texts.flatMap(({ text, offsets }, position) =>
    offsets.map((offset) => ({ gram: text.toString('latin1', offset, offset + GRAM), position, offset })),
  )
  const known = Map.groupBy(grams, ({ gram }) => gram)
  const pieces: Piece[] = []
  for (let at = from; at < end && at + GRAM <= bytes.length;) {
    const here = (known.get(bytes.toString('latin1', at, at + GRAM)) ?? [])
      .map(({ position, offset }) => pieceAt(texts[position] as IndexedText, bytes, { text: position, offset, at }))
      .filter(({ text, length }) => length >= (texts[text] as IndexedText).least)
    pieces.push(...here)
    const after = Math.max(at, ...here.map((piece) => piece.at + piece.length))
    at = after > at ? Math.max(at + step, after - GRAM + 1) : at + step
  }
  return pieces
}

/** As long as it is, to both sides of a gram. */
function pieceAt({ text }: IndexedText, bytes: Buffer, gram: Omit<Piece, 'length'>): Piece {
  let { at, offset } = gram
  while (at > 0 && offset > 0 && bytes[at - 1] === text[offset - 1]) [at, offset] = [at - 1, offset - 1]
  let end = gram.at + GRAM
  while (end < bytes.length && end - at + offset < text.length && bytes[end] === text[end - at + offset]) end += 1
  return { text: gram.text, offset, at, length: end - at }
}
