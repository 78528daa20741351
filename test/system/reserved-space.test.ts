/** Space that is set aside is there, without a name, until it is given back; where there is none, nothing is taken. */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { reserveSpace } from '../../src/system/reserved-space.ts'
import { withFolder } from '../support/temporary.ts'

test('it is taken until it is given back, and has no name that could be left', async (t) => {
  const folder = await withFolder(t)
  const reserved = await reserveSpace(folder, 70_000)
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(sizesOfOpenFiles(folder), [70_000])
  await reserved[Symbol.asyncDispose]()
  assert.deepEqual(sizesOfOpenFiles(folder), [])
  await reserved[Symbol.asyncDispose]()
})

test('where there is no place, it says so as a write does', async (t) => {
  const folder = await withFolder(t)
  await assert.rejects(reserveSpace(join(folder, 'missing'), 1), { code: 'ENOENT' })
  assert.deepEqual(sizesOfOpenFiles(folder), [])
})

/** Of the files of a folder that this process has open, whether they still have a name or not. */
function sizesOfOpenFiles(folder: string): readonly number[] {
  const descriptors = readdirSync('/proc/self/fd').map((descriptor) => `/proc/self/fd/${descriptor}`)
  return descriptors.filter((path) => targetOf(path).startsWith(`${folder}/`)).map((path) => statSync(path).size)
}

/** Empty for the descriptor that the list itself was read by. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
