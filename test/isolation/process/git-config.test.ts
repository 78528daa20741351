/**
 * Configurations of git are read as git reads them: whatever git takes for a setting is one here too, however it is laid
 * out, so that no layout hides a command from those who look for it. git itself is the oracle.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { parseGitConfig } from '../../../src/isolation/process/git-config-syntax.ts'
import { fuzz } from '../../support/fuzz.ts'
import { withoutGit } from './cage-bed.ts'

const CATALOGUE = [
  '[a] [core] fsmonitor = x\n',
  '[a][b]c=d\n',
  '# x \\\n[core]\nfsmonitor=x\n',
  '[core]\n; x \\\nfsmonitor=x\n',
  '[core]\nbare=false # x \\\nfsmonitor=x\n',
  '[core]\nfsmonitor=ev\\\r\nil\n',
  '\ufeff[core]fsmonitor=x',
  '[core]\rfsmonitor=x\n',
  '[A.B]C',
  '[a "B\\"\\\\]"]c=" # " ; d\n',
  '[a\t"b"]c = "x y"  z  # "\n',
  '[a]b=\\t\\n\\b\\\\\\"\n',
  '[a]b=  x \t \\\n  y  \nc\nd=\n',
]

test('every layout that git understands', { skip: withoutGit }, () => {
  for (const text of CATALOGUE) {
    const expected = readByGit(text)
    assert.ok(expected !== undefined && expected.length > 0, text)
    assert.deepEqual(read(text), expected, JSON.stringify(text))
  }
})

const PIECES = ['[core]', '[a "b"]', '[', ']', '"', '\\', '\n', '\r', '\t', ' ', '=', '#', ';', 'key', 'x-1', '.', 'é']

test('random layouts: what git reads, and at least that where git gives up', { skip: withoutGit }, async (t) => {
  await fuzz(t, { runs: 400 }, (random) => {
    const pieces = Array.from({ length: random.integer(1, 14) }, () => random.pick(PIECES))
    const text = ['[core]', ...pieces].join('')
    const expected = readByGit(text)
    if (expected === undefined) read(text)
    else assert.deepEqual(read(text), expected, JSON.stringify(text))
  })
})

function read(text: string): readonly string[] {
  return [...parseGitConfig(text)].map(({ key, value }) => spaced(`${key}=${value}`))
}

/** Undefined where git gives up. */
function readByGit(text: string): readonly string[] | undefined {
  const { status, stdout } = spawnSync('git', ['config', '-f', '-', '--no-includes', '-z', '--list'], {
    input: text,
    encoding: 'utf8',
  })
  if (status !== 0) return undefined
  const entries = stdout.split('\0').slice(0, -1)
  // A name alone is without a value there, and means "true".
  return entries.map((entry) => spaced(entry.includes('\n') ? entry.replace('\n', '=') : `${entry}=true`))
}

/** Which space stands in a value is another in each version of git. */
function spaced(entry: string): string {
  return entry.replace(/[\t\r]/g, ' ')
}
