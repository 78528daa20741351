/**
 * Placeholders: given by the rule, or generated once and kept in the cage's state folder. A file there that is not as
 * it was written stops the start.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { generatePlaceholder, parsePlaceholder, resolvePlaceholders } from '../../src/secrets/placeholders.ts'
import { withFolder } from '../support/temporary.ts'

const GENERATED = /^agentcage:secret:API_KEY:[0-9a-f]{32}$/

test('generated placeholders have 128 random bits', () => {
  const made = new Set(Array.from({ length: 1000 }, () => generatePlaceholder('API_KEY')))
  assert.equal(made.size, 1000)
  for (const placeholder of made) {
    assert.match(placeholder, GENERATED)
    assert.equal(parsePlaceholder(placeholder), placeholder)
  }
})

test('generated ones stay the same after a restart, in a private file', async (t) => {
  const folder = join(await withFolder(t), 'state')
  const rules = [{ env: 'API_KEY' }, { env: 'OTHER' }, { env: '__proto__' }]
  const first = await resolvePlaceholders(rules, folder)
  assert.match(first.get('API_KEY') ?? '', GENERATED)
  assert.equal(first.size, 3)
  assert.deepEqual(await resolvePlaceholders(rules, folder), first)
  const more = await resolvePlaceholders([{ env: 'NEW' }, { env: 'API_KEY' }], folder)
  assert.equal(more.get('API_KEY'), first.get('API_KEY'))
  assert.equal(
    (await resolvePlaceholders(rules, folder)).get('OTHER'),
    first.get('OTHER'),
    'also when a rule was gone for a while',
  )
  assert.equal((await stat(join(folder, 'placeholders.json'))).mode & 0o7777, 0o600)
  assert.deepEqual(await readdir(folder), ['placeholders.json'])
})

test('given ones are taken as they are and leave nothing behind', async (t) => {
  const folder = join(await withFolder(t), 'state')
  const placeholders = await resolvePlaceholders([{ env: 'API_KEY', placeholder: 'sk-ant-decoy' }], folder)
  assert.deepEqual([...placeholders], [['API_KEY', 'sk-ant-decoy']])
  await assert.rejects(stat(folder), { code: 'ENOENT' })
})

test('two secrets never share a placeholder, and one has the form the configuration asks for', async (t) => {
  const folder = await withFolder(t)
  const same = [
    { env: 'A', placeholder: 'decoy-decoy' },
    { env: 'B', placeholder: 'decoy-decoy' },
  ]
  await assert.rejects(resolvePlaceholders(same, folder), {
    code: 'config_invalid',
    message: 'secret_injection: A and B have the same placeholder',
  })
  for (const placeholder of ['short', 'with a space', 'line\nbreak', 'ünïcödé-decoy', 'x'.repeat(513)]) {
    await assert.rejects(resolvePlaceholders([{ env: 'A', placeholder }], folder), { code: 'config_invalid' })
  }
})

const DAMAGED: Readonly<Record<string, string>> = {
  'not JSON': '{"API_KEY": "agentcage:sec',
  empty: '',
  'an array': '[]',
  null: 'null',
  'a value of another type': '{"API_KEY": 1}',
  'a placeholder of another secret': `{"API_KEY": "agentcage:secret:OTHER:${'0'.repeat(32)}"}`,
  'a guessable placeholder': '{"API_KEY": "agentcage:secret:API_KEY:0"}',
  'a name that cannot be': `{"A-B": "agentcage:secret:A-B:${'0'.repeat(32)}"}`,
}

for (const [what, content] of Object.entries(DAMAGED)) {
  test(`attack: a planted or damaged file, ${what}`, async (t) => {
    const folder = await withFolder(t)
    const path = join(folder, 'placeholders.json')
    await writeFile(path, content, { mode: 0o600 })
    await assert.rejects(resolvePlaceholders([{ env: 'API_KEY' }], folder), { code: 'state_unusable' })
    assert.equal(await readFile(path, 'utf8'), content, 'it is not replaced')
  })
}

test('attack: a file or folder that others can change, or a link', async (t) => {
  const folder = join(await withFolder(t), 'state')
  const rules = [{ env: 'API_KEY' }]
  await mkdir(folder, { mode: 0o755 })
  await chmod(folder, 0o755)
  await assert.rejects(resolvePlaceholders(rules, folder), { code: 'state_unusable' })
  await chmod(folder, 0o700)
  await resolvePlaceholders(rules, folder)
  const path = join(folder, 'placeholders.json')
  await chmod(path, 0o644)
  await assert.rejects(resolvePlaceholders(rules, folder), { code: 'state_unusable' })
  await rm(path)
  await symlink('/dev/null', path)
  await assert.rejects(resolvePlaceholders(rules, folder), { code: 'state_unusable' })
})
