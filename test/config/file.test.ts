/**
 * Reading the file: what cannot be read is an error of its own, never an empty configuration; what is no text, or too
 * large, is a wrong one. Devices and pipes are read no further than the bound.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { CageError, type ErrorCode } from '../../src/errors.ts'
import { withFolder } from '../support/temporary.ts'

test('a file is read', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await writeFile(file, 'name: a\n')
  assert.equal((await loadConfig(file)).name, 'a')
})

test('a missing file', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await refused(file, 'config_unreadable', `cannot read ${file}: no such file`)
})

test('a folder', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await mkdir(file)
  await refused(file, 'config_unreadable', `cannot read ${file}: it is a folder`)
})

test('a file without permission', { skip: process.getuid?.() === 0 && 'root may read everything' }, async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await writeFile(file, 'name: a\n')
  await chmod(file, 0)
  await refused(file, 'config_unreadable', `cannot read ${file}: permission denied`)
})

test('a device without end', async () => {
  await refused('/dev/zero', 'config_invalid', '/dev/zero:1:1: larger than 1 MiB')
})

test('one byte more than a megabyte', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  await writeFile(file, `name: a\n#${' '.repeat(1_048_576 - 9)}`)
  assert.equal((await loadConfig(file)).name, 'a')
  await writeFile(file, `name: a\n#${' '.repeat(1_048_576 - 8)}`)
  await refused(file, 'config_invalid', `${file}:1:1: larger than 1 MiB`)
})

for (const [name, bytes] of Object.entries({
  'Latin-1': Buffer.from('name: caf\xe9\n', 'latin1'),
  'UTF-16 with a byte order mark': Buffer.from('\ufeffname: a\n', 'utf16le'),
  'an overlong slash': Buffer.from([0x61, 0x3a, 0x20, 0xc0, 0xaf]),
  'a surrogate': Buffer.from([0x61, 0x3a, 0x20, 0xed, 0xa0, 0x80]),
})) {
  test(`no UTF-8: ${name}`, async (t) => {
    const file = join(await withFolder(t), 'cage.yaml')
    await writeFile(file, bytes)
    await refused(file, 'config_invalid', `${file}:1:1: not UTF-8 text`)
  })
}

async function refused(file: string, code: ErrorCode, message: string): Promise<void> {
  await assert.rejects(loadConfig(file), (error: unknown) => {
    assert.ok(error instanceof CageError)
    assert.deepEqual([error.code, error.message, error.exitCode], [code, message, 2])
    return true
  })
}
