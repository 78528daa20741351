/** Completion knows commands, flags and values, and keeps out of the workload's own command line. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/command.ts'
import { missingTools } from '../support/requires.ts'
import { cli } from './captured-io.ts'
import { COMPILED } from '../support/compiled.ts'

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
  })
}

test('bash completes with it', { skip: missingTools('bash') }, async () => {
  const program = join(import.meta.dirname, '../../bin/agentcage.ts')
  const script = `agentcage() { "$NODE" "$PROGRAM" "$@"; }
    source <(agentcage completions bash)
    COMP_WORDS=(agentcage config check --js); COMP_CWORD=3; _agentcage; printf '%s\\n' "\${COMPREPLY[@]}"`
  const env = { ...process.env, NODE: process.execPath, PROGRAM: program, ...COMPILED }
  const { code, stdout, stderr } = await run('bash', ['-c', script], { env })
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '--json\n', stderr: '' })
})
