/**
 * Text is looked at without what is not seen and with every other way to write ASCII written as ASCII, whatever stands
 * beside it. Prose in any script is its only view.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFoldable } from '../../../../src/egress/inspect/decode/foldable.ts'
import { foldedText } from '../../../../src/egress/inspect/decode/unicode.ts'
import { finished } from '../../../../src/egress/inspect/steps.ts'
import { DISGUISES } from './encodings.ts'

const SECRET = `AK${'IA'}QXMZKRPVTWNBHJ27`

function folded(body: string | Buffer): string | undefined {
  return finished(foldedText(Buffer.from(body as string)))?.toString()
}

test('every character is folded that is not seen, or that NFKC writes as ASCII', () => {
  const invisible = /^\p{Default_Ignorable_Code_Point}$/u
  const wrong: string[] = []
  for (let code = 0x80; code <= 0x10ffff; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    // Nothing stands in these planes, which is tried below all at once.
    const isEmpty = code >= 0x40000 && (code < 0xe0000 || code >= 0xe1000)
    const character = String.fromCodePoint(code)
    const plain = isEmpty ? '' : character.normalize('NFKC')
    const hasFold = !isEmpty && ((/^[!-~]+$/.test(plain) && !/^[.!?]{2,}$/.test(plain)) || invisible.test(character))
    if (isFoldable(code) !== hasFold) wrong.push(code.toString(16))
  }
  const rest = Array.from({ length: 0xa0000 }, (_, offset) => String.fromCodePoint(0x40000 + offset)).join('')
  assert.equal(rest.normalize('NFKC'), rest)
  assert.equal(rest.search(/\p{Default_Ignorable_Code_Point}/u), -1)
  assert.deepEqual(wrong, [])
})

test('single characters in every row of the table', () => {
  for (const [from, to] of [
    ['\u02e2k-', 'sk-'],
    ['\u33b3', 'ms'],
    ['a\u2024b', 'a.b'],
    ['\u0133', 'ij'],
    ['\u3164x', 'x'],
    ['a\u{e0001}b\u{e0041}', 'abA'],
    ['\u{1fbf7}', '7'],
  ] as const)
    assert.equal(folded(from), to)
})

test('bytes that are no UTF-8 do not hide what stands beside them', () => {
  const noise = Buffer.from('89504e470d0a1a0aff00eec2ad00f0808080eda080c0afe2', 'hex')
  for (const [name, disguise] of Object.entries(DISGUISES)) {
    const text = disguise(Buffer.from(SECRET))
    for (const body of [
      [noise, text],
      [text, noise],
      [noise, text, noise, text, noise],
      [Buffer.from([0xff]), text],
    ])
      assert.ok(folded(Buffer.concat(body))?.includes(SECRET), name)
    const late = Buffer.concat([Buffer.alloc(200_000, 0xc2), Buffer.from(`name=\u00e9\u4f60 `), text, noise])
    assert.ok(folded(late)?.includes(`name=\u00e9\u4f60 ${SECRET}`), name)
  }
  const stretch = Buffer.concat([noise, Buffer.from(`\u2122${'x'.repeat(100_000)}`)])
  assert.equal(folded(Buffer.concat([stretch, stretch]))?.length, 2 * 100_003)
})

test('prose, emoji, and noise have no fold', () => {
  for (const text of [
    'plain',
    'caf\u00e9 \u2026 \u201cok\u201d \u2013 \u4f60\u597d',
    '\u2764\ufe0f \u{1f468}\u200d\u{1f469}',
  ])
    assert.equal(folded(text), undefined, text)
  assert.equal(folded(Buffer.concat([Buffer.from([0xff]), Buffer.from('short \u00ad')])), undefined)
})
