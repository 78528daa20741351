/**
 * The built-in store: a private folder with a private file for each secret.
 *
 * What was set comes back, also after the program ended; whatever others could have read, planted or redirected is
 * refused and not repaired.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, chown, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openSecretStore, type SecretStore } from '../../src/secrets/store.ts'
import { withFolder } from '../support/temporary.ts'

async function openStore(t: TestContext): Promise<{ readonly store: SecretStore; readonly folder: string }> {
  const folder = join(await withFolder(t), 'deep', 'secrets')
  return { store: await openSecretStore(folder), folder }
}

async function withSecret(
  t: TestContext,
): Promise<{ readonly store: SecretStore; readonly folder: string; readonly path: string }> {
  const { store, folder } = await openStore(t)
  await store.set('API_KEY', 'value')
  return { store, folder, path: join(folder, 'API_KEY') }
}

test('a folder that is not there is an empty store, and reading does not make it', async (t) => {
  const { store, folder } = await openStore(t)
  assert.deepEqual(await store.list(), [])
  assert.equal(await store.get('API_KEY'), undefined)
  assert.equal(await store.remove('API_KEY'), false)
  await assert.rejects(stat(folder), { code: 'ENOENT' })
})

test('set, get, replace, list, remove', async (t) => {
  const { store, folder } = await openStore(t)
  await store.set('B', 'value b\n')
  await store.set('A', Buffer.from('-----BEGIN KEY-----\nx\n-----END KEY-----\n'))
  await store.set('B', 'new value')
  assert.deepEqual(await store.list(), ['A', 'B'])
  assert.equal((await store.get('B'))?.reveal(), 'new value')
  assert.equal((await store.get('B'))?.name, 'B')
  assert.equal((await (await openSecretStore(folder)).get('A'))?.reveal(), '-----BEGIN KEY-----\nx\n-----END KEY-----')
  assert.equal(await store.remove('B'), true)
  assert.equal(await store.remove('B'), false)
  assert.deepEqual(await store.list(), ['A'])
})

test('modes are 0700 and 0600 whatever the umask is', async (t) => {
  const { folder } = await openStore(t)
  const module = new URL('../../src/secrets/store.ts', import.meta.url).href
  const script = `process.umask(0); const { openSecretStore } = await import(process.argv[1])
    await (await openSecretStore(process.argv[2])).set('A', 'value')`
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, module, folder])
  assert.equal((await stat(folder)).mode & 0o7777, 0o700)
  assert.equal((await stat(join(folder, 'A'))).mode & 0o7777, 0o600)
})

test('a staged file may end in a line break; the largest value fits', async (t) => {
  const { store, folder, path } = await withSecret(t)
  await writeFile(path, 'staged\n')
  assert.equal((await store.get('API_KEY'))?.reveal(), 'staged')
  await writeFile(path, `${'x'.repeat(65_536)}\r\n`)
  assert.equal((await store.get('API_KEY'))?.reveal().length, 65_536)
  assert.deepEqual(await readdir(folder), ['API_KEY'], 'no temporary file stays')
})

test('a file that holds no usable value is an error, not an absent secret', async (t) => {
  const { store, path } = await withSecret(t)
  for (const content of ['', '\n', 'a\0b', Buffer.from([0xff])]) {
    await writeFile(path, content)
    await assert.rejects(store.get('API_KEY'), { code: 'secret_invalid' })
  }
  await writeFile(path, 'x'.repeat(70_000))
  await assert.rejects(store.get('API_KEY'), { code: 'state_unusable' })
})

test('a value that cannot be used is refused and the old one stays', async (t) => {
  const { store } = await withSecret(t)
  for (const value of ['', '\n', 'a\0b', 'x'.repeat(65_537)]) {
    await assert.rejects(store.set('API_KEY', value), { code: 'secret_invalid' })
  }
  assert.equal((await store.get('API_KEY'))?.reveal(), 'value')
})

test('attack: names that lead out of the folder', async (t) => {
  const { store } = await withSecret(t)
  for (const name of ['../API_KEY', '.', '..', '/etc/passwd', 'a/b', '', 'A\0B', '.API_KEY.tmp']) {
    await assert.rejects(store.get(name), { code: 'secret_invalid' })
    await assert.rejects(store.set(name, 'v'), { code: 'secret_invalid' })
    await assert.rejects(store.remove(name), { code: 'secret_invalid' })
  }
})

test('attack: a symbolic link in place of a secret is not read, and setting replaces it', async (t) => {
  const { store, folder } = await withSecret(t)
  const target = join(folder, '..', 'target')
  await writeFile(target, 'outside', { mode: 0o600 })
  await symlink(target, join(folder, 'LINK'))
  await assert.rejects(store.get('LINK'), { code: 'state_unusable' })
  await store.set('LINK', 'value')
  assert.equal((await store.get('LINK'))?.reveal(), 'value')
  assert.equal(await readFile(target, 'utf8'), 'outside')
})

test('attack: a symbolic link in place of the folder', async (t) => {
  const { folder } = await withSecret(t)
  const alias = join(folder, '..', 'alias')
  await symlink(folder, alias)
  await assert.rejects(openSecretStore(alias), { code: 'state_unusable' })
})

test('attack: a secret or a folder that others can read', async (t) => {
  const { store, folder, path } = await withSecret(t)
  for (const mode of [0o640, 0o604, 0o620, 0o610]) {
    await chmod(path, mode)
    await assert.rejects(store.get('API_KEY'), (error: { code?: string; hint?: string }) => {
      assert.equal(error.code, 'state_unusable')
      return error.hint?.startsWith('chmod ') === true
    })
  }
  await chmod(path, 0o600)
  await chmod(folder, 0o750)
  for (const attempt of [
    () => store.get('API_KEY'),
    () => store.list(),
    () => store.remove('API_KEY'),
    () => store.set('B', 'v'),
  ]) {
    await assert.rejects(attempt, { code: 'state_unusable' })
  }
  await assert.rejects(openSecretStore(folder), { code: 'state_unusable' })
})

test('attack: a secret that belongs to somebody else', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can give a file away')
  const { store, path } = await withSecret(t)
  await chown(path, 65_534, 65_534)
  await assert.rejects(store.get('API_KEY'), { code: 'state_unusable' })
})

test('attack: what is no plain file neither blocks nor is read', async (t) => {
  const { store, folder } = await withSecret(t)
  await promisify(execFile)('mkfifo', ['-m', '600', join(folder, 'PIPE')])
  await assert.rejects(store.get('PIPE'), { code: 'state_unusable' })
  await mkdir(join(folder, 'FOLDER'), { mode: 0o700 })
  await assert.rejects(store.get('FOLDER'), { code: 'state_unusable' })
  await assert.rejects(openSecretStore(join(folder, 'API_KEY')), { code: 'state_unusable' })
})

test('a hard link to a secret does not change when the secret is replaced', async (t) => {
  const { store, folder, path } = await withSecret(t)
  await link(path, join(folder, 'OLD'))
  await store.set('API_KEY', 'new')
  assert.equal((await store.get('OLD'))?.reveal(), 'value')
})

test('whoever reads while another writes gets one value or the other', async (t) => {
  const { store } = await openStore(t)
  const values = ['a'.repeat(50_000), 'b'.repeat(60_000)]
  await store.set('KEY', values[0] ?? '')
  const writes = Array.from({ length: 20 }, (_, i) => store.set('KEY', values[i % 2] ?? ''))
  const reads = Array.from({ length: 40 }, async () => (await store.get('KEY'))?.reveal())
  for (const value of await Promise.all(reads)) assert.ok(value !== undefined && values.includes(value))
  await Promise.all(writes)
})
