/** A state folder that cannot be used is named, with the reason in words and what to do. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStateFolder } from '../../src/cage/state-folder.ts'
import { withFolder } from '../support/temporary.ts'

const hint = 'Name a folder below one that you may write to: --state DIR, HOME or XDG_STATE_HOME.'
const root = process.geteuid?.() === 0 && 'root may write anywhere'

test('one that is missing is made, for its owner alone', async (t) => {
  const folder = join(await withFolder(t), 'a/b')
  assert.equal(await openStateFolder(`${folder}//`), folder)
  assert.equal(await openStateFolder(folder), folder)
})

test('one in a folder that takes no others', async () => {
  await assert.rejects(openStateFolder('/proc/none'), {
    code: 'state_unusable',
    message: 'state folder /proc/none cannot be made: the folder above takes no others (ENOENT)',
    hint,
  })
})

test('one below a file', async (t) => {
  const file = join(await withFolder(t), 'file')
  await writeFile(file, '')
  await assert.rejects(openStateFolder(join(file, 'state')), {
    code: 'state_unusable',
    message: `state folder ${file}/state cannot be made: a file is in the way (ENOTDIR)`,
    hint,
  })
})

test('one that may only be read', { skip: root }, async (t) => {
  const folder = join(await withFolder(t), 'state')
  await mkdir(folder, { mode: 0o500 })
  await assert.rejects(openStateFolder(folder), {
    code: 'state_unusable',
    message: `state folder ${folder} cannot be written: permission denied (EACCES)`,
    hint,
  })
})
