/** Completion knows commands, flags and values, and keeps out of the workload's own command line. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/command.ts'
import { missingTools } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'
import { cli } from './captured-io.ts'
import { COMPILED, PROGRAM } from '../support/program.ts'

const PROPOSALS: readonly (readonly [words: readonly string[], proposals: readonly string[]])[] = [
  [['con'], ['config']],
  [
    ['config', ''],
    ['check', 'schema'],
  ],
  [
    ['doctor', '--'],
    ['--', '--json'],
  ],
  [['audit', '--dec'], ['--decision']],
  [
    ['audit', '--decision', ''],
    ['allowed', 'flagged', 'blocked'],
  ],
  [['run', '--al'], ['--allow']],
  [['run', 'curl', '--al'], []],
  [['run', '-c', 'x', '--', ''], []],
  [['frobnicate', ''], []],
]

for (const [words, proposals] of PROPOSALS) {
  test(words.join(' '), async () => {
    const { code, stdout, stderr } = await cli('__complete', ...words)
    assert.deepEqual([code, stderr], [0, ''])
    const lines = stdout === '' ? [] : stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => line.split('\t')[0]),
      proposals,
    )
    for (const line of lines) assert.match(line, /\t\S/)
  })
}

for (const shell of ['bash', 'zsh', 'fish']) {
  test(`the script for ${shell} asks agentcage`, async () => {
    const { code, stdout } = await cli('completions', shell)
    assert.equal(code, 0)
    assert.match(stdout, /agentcage __complete/)
    // Files beside commands and flags are no proposals.
    if (shell === 'fish') assert.match(stdout, /^complete -c agentcage -f -a /m)
  })
}

/** What is typed, and what bash makes of it. */
const TYPED: readonly (readonly [words: string, completed: string])[] = [
  ['agentcage config check --js', '--json'],
  ['agentcage cage des', 'destroy'],
  ['agentcage cage show w', 'worker'],
  ['agentcage exec d', 'demo'],
  ['agentcage audit --decision b', 'blocked'],
]

test('bash completes commands, flags, values and names of cages with it', { skip: missingTools('bash') }, async (t) => {
  const home = await withFolder(t)
  for (const name of ['demo', 'worker'])
    await mkdir(join(home, '.config/agentcage/deployments', name), { recursive: true, mode: 0o700 })
  const script = `agentcage() { "$NODE" "$PROGRAM" "$@"; }
    source <(agentcage completions bash)
    for line; do
      COMP_WORDS=($line); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _agentcage; printf '%s\\n' "\${COMPREPLY[*]}"
    done`
  const env = { PATH: process.env['PATH'], HOME: home, NODE: process.execPath, PROGRAM, ...COMPILED }
  const lines = TYPED.map(([words]) => words)
  const { code, stdout, stderr } = await run('bash', ['-c', script, 'completing', ...lines], { env })
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual(
    stdout.trimEnd().split('\n'),
    TYPED.map(([, completed]) => completed),
  )
})
