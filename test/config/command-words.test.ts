/**
 * A command in a text is split as a POSIX shell would split it, without a shell; what a shell would act on is refused,
 * not passed on as text. The oracle is the shell itself.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { splitCommand } from '../../src/config/command-words.ts'

describe('words', () => {
  const splits: Readonly<Record<string, readonly string[]>> = {
    'op read op://vault/item/field': ['op', 'read', 'op://vault/item/field'],
    '  pass\tshow  a/b ': ['pass', 'show', 'a/b'],
    "op read 'op://My Vault/it''em'": ['op', 'read', 'op://My Vault/item'],
    'vault kv get -field="a b" secret/x': ['vault', 'kv', 'get', '-field=a b', 'secret/x'],
    'a "b \\" \\\\ \\$ \\` \\n"': ['a', 'b " \\ $ ` \\n'],
    'a b\\ c \\| \\\\': ['a', 'b c', '|', '\\'],
    "a '' \"\" '$x|`'": ['a', '', '', '$x|`'],
    'a b~c d#e f!': ['a', 'b~c', 'd#e', 'f!'],
    'a ünïcode': ['a', 'ünïcode'],
    'a X=1': ['a', 'X=1'],
  }
  for (const [text, words] of Object.entries(splits)) {
    test(text, () => assert.deepEqual(splitCommand(text), { words }))
  }
})

describe('refused', () => {
  const problems: Record<string, RegExp> = {
    '': /names no program/,
    '   ': /names no program/,
    "'' a": /names no program/,
    'X=1 a': /begins with an assignment/,
    "a 'b": /quote that does not end/,
    'a "b': /quote that does not end/,
    'a \\': /ends in a backslash/,
    'a "b\\"': /quote that does not end/,
    'a\0b': /control character/,
    'a \x1b[31m': /control character/,
    'a ~/x': /holds ~,/,
    'a #b': /holds #,/,
    'a "$x"': /holds \$,/,
    'a "`x`"': /holds `,/,
    'a\nb': /holds a line break,/,
  }
  for (const character of '$`|&;<>()*?[]{}') problems[`a b${character}c`] = /means something to a shell/
  for (const [text, problem] of Object.entries(problems)) {
    test(JSON.stringify(text), () => assert.match(splitCommand(text).problem ?? '', problem))
  }
})

test('property: what is split is what a shell makes of it', () => {
  const piece = fc.oneof(
    fc.constantFrom(' ', '\t', "'", '"', '\\', 'a', '=', '~', '#', '-', '/', '$', '!', 'é', '%', ',', '@', '+'),
    fc.string({ maxLength: 3 }),
  )
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, (command) => {
      const { words } = splitCommand(`program ${command}`) as { readonly words?: readonly string[] }
      if (words === undefined) return
      const printed = execFileSync('/bin/sh', ['-c', `printf '%s\\0' program ${command}`], { encoding: 'utf8' })
      assert.deepEqual(words, printed.split('\0').slice(0, -1))
    }),
    { numRuns: 150 },
  )
})
