/** Colour is for people: on a terminal, unless they say otherwise. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { Output } from '../../src/cli/io.ts'
import { paint, terminalOf } from '../../src/cli/terminal.ts'

const terminal: Output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
const pipe: Output = new PassThrough()

const CASES: readonly (readonly [
  name: string,
  stream: Output,
  env: Readonly<Record<string, string>>,
  colour: boolean,
])[] = [
  ['a terminal', terminal, {}, true],
  ['a pipe', pipe, {}, false],
  ['a terminal, NO_COLOR', terminal, { NO_COLOR: '1' }, false],
  ['a terminal, empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
  ['a terminal without colours', terminal, { TERM: 'dumb' }, false],
  ['a pipe, FORCE_COLOR', pipe, { FORCE_COLOR: '1' }, true],
  ['a pipe, FORCE_COLOR and NO_COLOR', pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ['a terminal, FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false],
  ['a pipe, empty FORCE_COLOR', pipe, { FORCE_COLOR: '' }, false],
]

for (const [name, stream, env, colour] of CASES) {
  test(name, () => assert.equal(terminalOf(stream, env).colour, colour))
}

test('the width is that of the terminal; a pipe has none', () => {
  assert.equal(terminalOf(terminal, {}).width, 80)
  assert.equal(terminalOf(pipe, { FORCE_COLOR: '1' }).width, undefined)
  assert.equal(terminalOf(Object.assign(new PassThrough(), { isTTY: true, columns: 0 }), {}).width, undefined)
})

test('paint does nothing where colour is not wanted', () => {
  assert.equal(paint({ colour: false, width: 80 }, 'red', 'x'), 'x')
  assert.equal(paint({ colour: true, width: 80 }, 'red', 'x'), '\u001b[31mx\u001b[39m')
})
