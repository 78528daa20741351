/*
 * What is kept of images: a disk for as long as its image is there as it was, or a machine has it open; and what an archive
 * hashes to, for as long as it is the same file. Unpacked kernels that nobody starts with go in the end.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { imageDisk } from '../../../../src/isolation/microvm/image/image-disk.ts'
import { examineImage, rememberImage } from '../../../../src/isolation/microvm/image/image-source.ts'
import { removeOldKernels } from '../../../../src/isolation/microvm/kept-files.ts'
import { ociArchive } from '../../../support/oci-image.ts'
import { missingTools } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'

const archiveOf = (content: string): Buffer => ociArchive([[{ path: 'etc/motd', content }]])

/** As if no machine had started with it for an hour. */
function age(path: string, days = 1 / 24): void {
  const then = new Date(Date.now() - days * 24 * 3_600_000)
  utimesSync(path, then, then)
}

test(
  'the disk of an image that changed is removed, but not while a machine may have it',
  {
    skip: missingTools('mkfs.ext4', 'flock'),
  },
  async (t) => {
    const folder = await withFolder(t)
    const [image, other, cache] = [join(folder, 'image.tar'), join(folder, 'other.tar'), join(folder, 'cache')]
    const made: string[] = []
    for (const content of ['first', 'second', 'third', 'fourth']) {
      writeFileSync(image, archiveOf(content))
      made.push(await imageDisk(image, cache))
      if (content === 'first') age(made[0] ?? '')
    }
    const [first = '', second = '', third = '', fourth = ''] = made
    assert.ok(!existsSync(first), 'removed')
    assert.ok(existsSync(second) && existsSync(third), 'a machine may be about to start with them')
    age(second)
    age(third)
    age(fourth)
    const holder = spawn('flock', [second, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(holder.stdout, 'data')
    writeFileSync(other, archiveOf('another'))
    await imageDisk(other, cache)
    assert.ok(existsSync(second), 'a machine has it open')
    assert.ok(!existsSync(third), 'nobody has it')
    assert.ok(existsSync(fourth), 'its image is there')
    holder.stdin.end()
    await once(holder, 'exit')
    rmSync(image)
    writeFileSync(other, archiveOf('the last'))
    await imageDisk(other, cache)
    assert.ok(!existsSync(second) && !existsSync(fourth))
    assert.equal(readdirSync(cache).filter((name) => name.startsWith('source-')).length, 1)
  },
)

test('an archive is read again when it is another file, whatever its time says', async (t) => {
  const folder = await withFolder(t)
  const [image, cache] = [join(folder, 'image.tar'), join(folder, 'cache')]
  writeFileSync(image, 'content')
  const { mtime } = statSync(image)
  const first = await examineImage(image, cache)
  assert.equal(first.version, '', 'it was made just now, and may change within the same tick')
  await rememberImage({ ...first, digest: 'f'.repeat(64) }, cache)
  assert.equal((await examineImage(image, cache)).digest, first.digest)
  // Of the same length and, by its owner's word, as old.
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(image, { bigint: true })
  await rememberImage({ ...first, version: [dev, ino, size, mtimeNs, ctimeNs].join(':') }, cache)
  writeFileSync(image, 'changed')
  utimesSync(image, mtime, mtime)
  assert.notEqual((await examineImage(image, cache)).digest, first.digest)
  // What is kept is broken, or another's.
  for (const name of readdirSync(cache)) appendFileSync(join(cache, name), '}')
  assert.notEqual((await examineImage(image, cache)).digest, first.digest)
})

test('an archive that is the same file is not read again', async (t) => {
  const cache = await withFolder(t)
  // A file that has been there for longer than this test.
  const image = await examineImage(process.execPath, cache)
  assert.notEqual(image.version, '')
  const remembered = { ...image, digest: 'f'.repeat(64) }
  await rememberImage(remembered, cache)
  assert.deepEqual(await examineImage(process.execPath, cache), remembered)
})

test('an unpacked kernel is removed when no machine has started with it for a month', async (t) => {
  const cache = await withFolder(t)
  const [old, recent] = ['a', 'b'].map((digit) => join(cache, `vmlinux-${digit.repeat(64)}`))
  for (const path of [old, recent]) writeFileSync(path ?? '', 'kernel')
  age(old ?? '', 31)
  age(recent ?? '', 29)
  await removeOldKernels(cache)
  assert.deepEqual([existsSync(old ?? ''), existsSync(recent ?? '')], [false, true])
})
