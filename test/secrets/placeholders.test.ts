/**
 * Placeholders: given by the rule, or generated once and kept in the cage's state folder. A file there that is not as
 * it was written stops the start.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../src/errors.ts'
import {
  generatePlaceholder,
  parsePlaceholder,
  resolvePlaceholders,
  rotatePlaceholders,
} from '../../src/secrets/placeholders.ts'
import { Secret } from '../../src/secrets/secret.ts'
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

const KEY = ['ghp', 'a9Wfs0k4b1Qx9WfG0k4V1QxqWfGik4VjQxq8'].join('_')

test('a decoy looks like the value, is kept, and is followed by another of its shape', async (t) => {
  const folder = await withFolder(t)
  const rules = [{ env: 'API_KEY', format: 'like' }, { env: 'OTHER' }] as const
  const first = await resolvePlaceholders(rules, folder, [new Secret('API_KEY', KEY)])
  assert.match(first.get('API_KEY') ?? '', /^ghp_[A-Za-z0-9]{36}$/)
  assert.notEqual(first.get('API_KEY'), KEY)
  assert.equal((await readFile(join(folder, 'placeholders.json'), 'utf8')).includes(KEY), false)
  const renewed = [new Secret('API_KEY', 'quite-another-value-1234')]
  assert.deepEqual(await resolvePlaceholders(rules, folder, renewed), first, 'also when the value is another one')
  assert.deepEqual(await resolvePlaceholders(rules, folder), first, 'also where nobody knows the value')
  assert.deepEqual(await rotatePlaceholders(folder), ['API_KEY', 'OTHER'])
  const second = await resolvePlaceholders(rules, folder)
  assert.match(second.get('API_KEY') ?? '', /^ghp_[A-Za-z0-9]{36}$/)
  for (const { env } of rules) assert.notEqual(second.get(env), first.get(env))
})

test('a rule that asks for another format gets another placeholder', async (t) => {
  const folder = await withFolder(t)
  const values = [new Secret('API_KEY', KEY)]
  for (const [format, shape] of [
    [undefined, GENERATED],
    ['like', /^ghp_/],
    [undefined, GENERATED],
  ] as const)
    assert.match((await resolvePlaceholders([{ env: 'API_KEY', format }], folder, values)).get('API_KEY') ?? '', shape)
})

test('no decoy without a value, or of one that nothing can look like; nothing is kept then', async (t) => {
  const folder = await withFolder(t)
  const rules = [{ env: 'API_KEY', format: 'like' }] as const
  await assert.rejects(resolvePlaceholders(rules, folder), { code: 'secret_missing' })
  for (const value of ['short', 'with a blank in it', '-----BEGIN\nKEY\n-----END']) {
    await assert.rejects(
      resolvePlaceholders(rules, folder, [new Secret('API_KEY', value)]),
      (error) => error instanceof CageError && error.code === 'secret_invalid' && !error.message.includes(value),
    )
  }
  assert.deepEqual(await readdir(folder), [])
})

const DAMAGED: Readonly<Record<string, string>> = {
  'not JSON': '{"API_KEY": "agentcage:sec',
  empty: '',
  'an array': '[]',
  null: 'null',
  'a value of another type': '{"API_KEY": 1}',
  'a placeholder of another secret': `{"API_KEY": "agentcage:secret:OTHER:${'0'.repeat(32)}"}`,
  'a guessable placeholder': '{"API_KEY": "agentcage:secret:API_KEY:0"}',
  'a decoy that is no placeholder': '{"API_KEY": {"like": "short"}}',
  'a decoy with more': '{"API_KEY": {"like": "decoy-decoy", "value": "x"}}',
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
