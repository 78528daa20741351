import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { CageBed } from './cage-bed.ts'

/*
 * Which folders can be a project: any of one's own, but neither the home, nor what contains it, nor the system, nor
 * credentials, nor agentcage's own folders. Symbolic links are followed before it is decided.
 */

test('a folder of its own is a project, also named relatively or by link', () => {
  using bed = new CageBed()
  symlinkSync(bed.project, join(bed.home, 'link'))
  for (const project of [bed.project, '.', '../project', join(bed.home, 'link')]) {
    using prepared = bed.prepare(['true'], { project })
    assert.equal(prepared.project, bed.project)
  }
})

test('a project may hold files named like credentials', () => {
  using bed = new CageBed()
  bed.write('project/.aws/template', '')
  using prepared = bed.prepare(['true'])
  assert.equal(prepared.project, bed.project)
})

test('more than a project is refused', () => {
  using bed = new CageBed()
  bed.write('.ssh/keys/id', '')
  mkdirSync(join(bed.home, 'work/state'), { recursive: true })
  symlinkSync(bed.home, join(bed.project, 'home'))
  symlinkSync(join(bed.home, '.ssh'), join(bed.project, 'keys'))
  const ownFolders = [join(bed.home, 'work/state')]
  const bytes = Buffer.concat([Buffer.from(`${bed.home}/caf`), Buffer.of(0xe9)])
  mkdirSync(bytes)
  const latin = bytes.toString() // As a command line and the working directory come to us.
  const refused: readonly (readonly [string, RegExp])[] = [
    [bed.home, /is the home directory/],
    [join(bed.project, 'home'), /is the home directory/],
    [bed.folder, /contains the home directory/],
    ['/', /contains the home directory/],
    ['/etc', /belongs to the system/],
    ['/usr/bin', /belongs to the system/],
    ['/proc/self', /belongs to the system/],
    ['/var', /belongs to the system/],
    [join(bed.home, '.ssh'), /is credentials/],
    [join(bed.home, '.ssh/keys'), /lies in credentials/],
    [join(bed.project, 'keys'), /is credentials/],
    [join(bed.home, 'work'), /agentcage's own folder/],
    [join(bed.home, 'work/state'), /agentcage's own folder/],
    [join(bed.home, 'absent'), /does not exist/],
    [latin, /has a name that is not UTF-8/],
    ['/etc/passwd', /is not a folder/],
  ]
  for (const [project, message] of refused) {
    assert.throws(
      () => bed.prepare(['true'], { project, ownFolders }),
      (error) =>
        error instanceof CageError &&
        error.code === 'mount_refused' &&
        message.test(error.message) &&
        error.hint !== undefined,
      project,
    )
  }
})
