/** Reference pages are what the source says: `scripts/generate.ts --check` names each that is not, and the script writes them. */
import assert from 'node:assert/strict'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { run, type CommandResult } from '../support/command.ts'
import { withFolder } from '../support/temporary.ts'

const SCRIPT = join(import.meta.dirname, '../../scripts/generate.ts')

test('pages are written, checked, and found out of date', async (t) => {
  const folder = await withFolder(t)
  const missing = await generate('--check', folder)
  assert.equal(missing.code, 1)
  assert.equal(missing.stderr.split('\n').filter((line) => line.includes('is out of date')).length, 10)

  assert.equal((await generate(folder)).code, 0)
  const reference = join(folder, 'docs/reference')
  assert.deepEqual(await readdir(reference), [
    'audit.md',
    'cage.schema.json',
    'cli.md',
    'configuration.md',
    'errors.md',
    'inspectors.md',
    'patterns.md',
    'secrets.md',
  ])
  assert.deepEqual(await generate('--check', folder), { code: 0, stdout: '', stderr: '' })

  await appendFile(join(reference, 'errors.md'), 'by hand\n')
  assert.deepEqual(await generate('--check', folder), {
    code: 1,
    stdout: '',
    stderr: 'docs/reference/errors.md is out of date: run `node scripts/generate.ts`\n',
  })

  const defaults = await readFile(join(folder, 'src/config/default-config.ts'), 'utf8')
  assert.equal(defaults, await readFile(join(import.meta.dirname, '../../src/config/default-config.ts'), 'utf8'))
  const errors = await readFile(join(reference, 'errors.md'), 'utf8')
  for (const code of Object.keys(ERRORS)) assert.match(errors, new RegExp(`^\\| \`${code}\` \\|`, 'm'))
  const configuration = await readFile(join(reference, 'configuration.md'), 'utf8')
  assert.match(configuration, /^\| `secret_injection\[\]\.inject_to` \| list of .* \| required \|/m)
  const cli = await readFile(join(reference, 'cli.md'), 'utf8')
  for (const name of ['run', 'egress', 'audit', 'doctor', 'config check'])
    assert.match(cli, new RegExp(`^## agentcage ${name}$`, 'm'))
})

async function generate(...args: readonly string[]): Promise<CommandResult> {
  return run(process.execPath, [SCRIPT, ...args])
}
