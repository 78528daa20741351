/* Words survive a shell: whatever a command, a variable or a path holds, the shell reads back just that. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { shellWord, shellWords } from '../../../src/isolation/microvm/shell-quote.ts'

test('a shell reads back the words that were written', () => {
  const word = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.string({ unit: fc.constantFrom("'", '"', '$', '`', '\\', '\n', '!', '*', '~', '-', ' ', 'a'), maxLength: 12 }),
  )
  fc.assert(
    fc.property(
      fc.array(
        word.filter((text) => !text.includes('\0')),
        { minLength: 1, maxLength: 6 },
      ),
      (words) => {
        const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${shellWords(words)}`])
        assert.deepEqual(String(stdout).split('\0').slice(0, -1), words)
      },
    ),
    { numRuns: 60 },
  )
})

test('words that need no quotes have none', () => {
  assert.equal(shellWord('/usr/bin/node'), '/usr/bin/node')
  assert.equal(shellWord(''), "''")
})

test('NUL is in no word', () => {
  assert.throws(() => shellWord('a\0b'), RangeError)
})
