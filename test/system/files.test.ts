/**
 * Files that others could have put there, could read or could change are refused, never repaired; files that are
 * written are whole or not there, with the mode that was asked for whatever the umask says.
 */
import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  checkPrivateFolder,
  ensurePrivateFolder,
  isErrno,
  readOwnFile,
  UnsafePathError,
  writeFileAtomic,
  writeNewFile,
} from '../../src/system/files.ts'
import { run } from '../support/command.ts'
import { missingTools } from '../support/requires.ts'
import { withFolder } from '../support/temporary.ts'

const AS_ROOT = process.geteuid?.() === 0
const PRIVATE = { maxBytes: 100, others: 'nothing' } as const
const SHOWN = { maxBytes: 100, others: 'read' } as const

test('an atomic write replaces the file, sets its mode and leaves nothing beside it', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'file')
  for (const [content, mode] of [
    ['first', 0o666],
    ['second', 0o600],
  ] as const) {
    await writeFileAtomic(path, content, { mode })
    assert.equal(await readFile(path, 'utf8'), content)
    assert.equal((await lstat(path)).mode & 0o777, mode)
  }
  assert.deepEqual(await readdir(folder), ['file'])
})

test('an atomic write replaces a symbolic link and does not touch what it points to', async (t) => {
  const folder = await withFolder(t)
  await writeFile(join(folder, 'target'), 'precious')
  await symlink('target', join(folder, 'link'))
  await writeFileAtomic(join(folder, 'link'), 'new', { mode: 0o600 })
  assert.equal(await readFile(join(folder, 'target'), 'utf8'), 'precious')
  assert.ok((await lstat(join(folder, 'link'))).isFile())
})

test('an atomic write that fails leaves the folder as it was', async (t) => {
  const folder = await withFolder(t)
  await mkdir(join(folder, 'taken'))
  await assert.rejects(writeFileAtomic(join(folder, 'taken'), 'x', { mode: 0o600 }))
  assert.deepEqual(await readdir(folder), ['taken'])
})

test('a new file is never written over one that is there', async (t) => {
  const path = join(await withFolder(t), 'file')
  await writeNewFile(path, 'first', { mode: 0o600 })
  await assert.rejects(writeNewFile(path, 'second', { mode: 0o600 }), (error) => isErrno(error, 'EEXIST'))
  assert.equal(await readFile(path, 'utf8'), 'first')
})

test('a private folder is made with its parents, for this user alone', async (t) => {
  const path = join(await withFolder(t), 'a/b')
  await ensurePrivateFolder(path)
  await ensurePrivateFolder(path)
  assert.equal((await lstat(path)).mode & 0o777, 0o700)
  assert.equal((await lstat(join(path, '..'))).mode & 0o777, 0o700)
})

const unsafeFolders: Readonly<Record<string, (path: string) => Promise<void>>> = {
  'that others can enter': async (path) => {
    await mkdir(path)
    await chmod(path, 0o710)
  },
  'that is a symbolic link': async (path) => {
    await mkdir(`${path}-target`, { mode: 0o700 })
    await symlink(`${path}-target`, path)
  },
  'that is a link to nowhere': (path) => symlink('nowhere', path),
  'that is a file': (path) => writeFile(path, '', { mode: 0o700 }),
}

for (const [which, prepare] of Object.entries(unsafeFolders)) {
  test(`a folder ${which} is refused and stays as it is`, async (t) => {
    const path = join(await withFolder(t), 'state')
    await prepare(path)
    const before = await lstat(path)
    await assert.rejects(ensurePrivateFolder(path), UnsafePathError)
    assert.equal((await lstat(path)).mode, before.mode)
  })
}

test('a missing folder is not unsafe, only missing', async (t) => {
  const path = join(await withFolder(t), 'missing')
  await assert.rejects(checkPrivateFolder(path), (error) => isErrno(error, 'ENOENT'))
})

test(
  "somebody else's folder and file are refused",
  { skip: !AS_ROOT && 'only root can give files away' },
  async (t) => {
    const folder = await withFolder(t)
    await mkdir(join(folder, 'theirs'), { mode: 0o700 })
    await chown(join(folder, 'theirs'), 4242, 4242)
    await assert.rejects(checkPrivateFolder(join(folder, 'theirs')), /belongs to user 4242/)
    const path = await file(t, 0o600)
    await chown(path, 4242, 4242)
    await assert.rejects(readOwnFile(path, PRIVATE), /belongs to user 4242/)
  },
)

test('an own file is read', async (t) => {
  assert.equal((await readOwnFile(await file(t, 0o600), PRIVATE)).toString(), 'content')
  assert.equal((await readOwnFile(await file(t, 0o644), SHOWN)).toString(), 'content')
})

test('a file that others may read or change is refused, with the command that mends it', async (t) => {
  for (const mode of [0o640, 0o604, 0o660, 0o601]) {
    const path = await file(t, mode)
    await assert.rejects(readOwnFile(path, PRIVATE), { name: 'UnsafePathError', mend: `chmod 0600 ${path}` })
  }
  for (const mode of [0o664, 0o646]) {
    const path = await file(t, mode)
    await assert.rejects(readOwnFile(path, SHOWN), { name: 'UnsafePathError', mend: `chmod 0644 ${path}` })
  }
})

test('a file that is too long is refused', async (t) => {
  const path = await file(t, 0o600, 'x'.repeat(101))
  await assert.rejects(readOwnFile(path, PRIVATE), /larger than 100 bytes/)
  assert.equal((await readOwnFile(path, { ...PRIVATE, maxBytes: 101 })).length, 101)
})

test('a symbolic link is not followed', async (t) => {
  const path = await file(t, 0o600)
  await symlink(path, `${path}-link`)
  await assert.rejects(readOwnFile(`${path}-link`, PRIVATE), UnsafePathError)
})

test(
  'a folder and a named pipe are no files, and nobody waits for them',
  { skip: missingTools('mkfifo') },
  async (t) => {
    const folder = await withFolder(t)
    await assert.rejects(readOwnFile(folder, PRIVATE), UnsafePathError)
    const pipe = join(folder, 'pipe')
    assert.equal((await run('mkfifo', ['-m', '600', pipe])).code, 0)
    await assert.rejects(readOwnFile(pipe, PRIVATE), UnsafePathError)
  },
)

async function file(t: TestContext, mode: number, content = 'content'): Promise<string> {
  const path = join(await withFolder(t), 'file')
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

test('where a folder takes no others, making a private one in it fails at once', { timeout: 20_000 }, async () => {
  await assert.rejects(ensurePrivateFolder('/proc/none/of/these'), { code: 'ENOENT' })
})
