/** Space that is set aside is there and is given back; where there is none, nothing is taken. */
import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { reserveSpace } from '../../src/system/reserved-space.ts'
import { withFolder } from '../support/temporary.ts'

test('it lies in the folder until it is given back', async (t) => {
  const folder = await withFolder(t)
  const reserved = await reserveSpace(folder, 70_000)
  const [name = ''] = await readdir(folder)
  assert.equal((await stat(join(folder, name))).size, 70_000)
  await reserved[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(folder), [])
  await reserved[Symbol.asyncDispose]()
})

test('where there is no place, it says so as a write does', async (t) => {
  const folder = await withFolder(t)
  await assert.rejects(reserveSpace(join(folder, 'missing'), 1), { code: 'ENOENT' })
  assert.deepEqual(await readdir(folder), [])
})
