/**
 * What is typed at a hidden prompt becomes a value: backspace and Ctrl-U correct it, keys that are no characters do
 * nothing, a marked paste keeps its line breaks, however the terminal cuts what it sends.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HiddenLine, type LineState } from '../../src/cli/hidden-line.ts'

const TYPED: Readonly<Record<string, readonly [typed: string, value: string, rest?: string]>> = {
  enter: ['abc\r', 'abc'],
  'a line feed': ['abc\n', 'abc'],
  'Ctrl-D': ['abc\x04', 'abc'],
  backspace: ['abd\x7fc\b\bbc\r', 'abc'],
  'backspace at the beginning': ['\x7f\x7fa\r', 'a'],
  'backspace over a character of two units': ['a😀\x7f\r', 'a'],
  'Ctrl-U': ['wrong\x15abc\r', 'abc'],
  'arrows and other keys': ['a\x1b[Db\x1bOC\x1b[1;5Dc\x1b[3~\x1bx\r', 'abc'],
  'Escape before Enter': ['abc\x1b\r', 'abc'],
  'other controls': ['a\x01\x1a\x0cb\r', 'ab'],
  'a tab': ['a\tb\r', 'a\tb'],
  'a marked paste of lines': ['\x1b[200~a\rb\nc\r\x1b[201~\r', 'a\nb\nc\n'],
  'controls in a marked paste': ['\x1b[200~a\x03\x15b\x1b[201~\r', 'a\x03\x15b'],
  'what comes after': ['abc\rdef\r', 'abc', 'def\r'],
}

for (const [name, [typed, value, rest = '']] of Object.entries(TYPED)) {
  test(name, () => {
    const line = new HiddenLine(100)
    assert.deepEqual(line.feed(typed), { kind: 'done', rest })
    assert.equal(line.text, value)
  })
}

test('Ctrl-C interrupts', () => {
  assert.deepEqual(new HiddenLine(100).feed('abc\x03'), { kind: 'interrupted' })
})

test('what is too long becomes no longer than can be told', () => {
  const line = new HiddenLine(10)
  line.feed('x'.repeat(1_000_000))
  assert.equal(line.text.length, 11)
})

test('an escape sequence without an end swallows no more than a sequence may have', () => {
  const line = new HiddenLine(100)
  assert.equal(line.feed(`\x1b[${'1'.repeat(40)}abc\r`).kind, 'done')
  assert.match(line.text, /abc$/)
})

test('property: it makes no difference how what is typed is cut', () => {
  const typed = fc.array(
    fc.constantFrom('a', 'é', '😀', '\x7f', '\x15', '\x1b', '[', 'D', '\x1b[200~', '\x1b[201~', '\n', 'O', '1', '~'),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(typed, (keys) => {
      const whole = new HiddenLine(100)
      const cut = new HiddenLine(100)
      const state = whole.feed(keys.join(''))
      let last: LineState = { kind: 'typing' }
      for (const key of keys.join('')) if (last.kind === 'typing') last = cut.feed(key)
      assert.deepEqual([cut.text, last.kind], [whole.text, state.kind])
    }),
  )
})
