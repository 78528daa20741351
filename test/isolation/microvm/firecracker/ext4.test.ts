/*
 * Disks are read as mkfs.ext4 and guests leave them: small and large files, holes, long links, folders with an index. A disk
 * that somebody wrote to by hand is refused with an error of one kind: it is never followed out of its bounds or for ever.
 */
import assert from 'node:assert/strict'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { DiskError } from '../../../../src/isolation/microvm/firecracker/disk-error.ts'
import { DiskReader, type DiskNode } from '../../../../src/isolation/microvm/firecracker/ext4.ts'
import { makeFileSystem } from '../../../../src/isolation/microvm/scratch-disk.ts'
import { fuzz } from '../../../support/fuzz.ts'
import { missingTools } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'
import { handProject } from './disk.ts'

const skip = missingTools('mkfs.ext4', 'debugfs')

async function contentOf(disk: DiskReader, node: DiskNode | undefined): Promise<Buffer> {
  assert.ok(node)
  const pieces: Buffer[] = []
  for await (const piece of disk.content(node)) pieces.push(piece)
  return Buffer.concat(pieces)
}

test('what mkfs.ext4 put there is what is read', { skip }, async (t) => {
  const folder = await withFolder(t)
  const source = join(folder, 'source')
  mkdirSync(join(source, 'many'), { recursive: true })
  const large = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => (index * 7919) & 0xff))
  writeFileSync(join(source, 'large'), large)
  writeFileSync(join(source, 'empty'), '')
  writeFileSync(join(source, 'hole'), '')
  truncateSync(join(source, 'hole'), 5_000_000)
  await appendFile(join(source, 'hole'), 'end')
  symlinkSync('large', join(source, 'short'))
  symlinkSync('l'.repeat(1000), join(source, 'long'))
  for (let index = 0; index < 1000; index++) writeFileSync(join(source, 'many', `a name of some length ${index} ü`), '')
  await makeFileSystem(join(folder, 'disk'), 64, { content: source })
  await using disk = await DiskReader.open(join(folder, 'disk'))
  const { entries: root } = await disk.entries(await disk.root())
  assert.deepEqual([...root.keys()].toSorted(), ['empty', 'hole', 'large', 'long', 'lost+found', 'many', 'short'])
  assert.ok(large.equals(await contentOf(disk, root.get('large'))))
  assert.equal((await contentOf(disk, root.get('empty'))).length, 0)
  assert.ok(readFileSync(join(source, 'hole')).equals(await contentOf(disk, root.get('hole'))))
  assert.equal(await disk.linkTarget(root.get('short') as DiskNode), 'large')
  assert.equal(await disk.linkTarget(root.get('long') as DiskNode), 'l'.repeat(1000))
  const { entries: many } = await disk.entries(root.get('many') as DiskNode)
  assert.equal(many.size, 1000)
  assert.ok(many.has('a name of some length 999 ü'))
})

const HOSTILE: readonly (readonly [string, readonly string[]])[] = [
  ['a folder that is in itself', ['cd /project', 'ln /project/sub sub/loop']],
  ['a number of no file', ['cd /project', 'write <host>/new nowhere']],
  ['a file outside of the disk', ['sif /project/a block[5] 0xfffffff0', 'sif /project/a mtime 1']],
  ['extents without their mark', ['sif /project/a block[0] 0', 'sif /project/a mtime 1']],
  ['a tree of extents that is too deep', ['sif /project/a block[1] 0x00090001', 'sif /project/a mtime 1']],
  ['a file that is kept in an unknown way', ['sif /project/a flags 0', 'sif /project/a mtime 1']],
  ['a name that reaches out', ['cd /project', 'write <host>/new name-out']],
  ['a folder without content', ['sif /project/sub block[0] 0']],
  ['features of another kind', ['ssv feature_incompat 0x10242']],
  ['blocks of another size', ['ssv log_block_size 9']],
  ['more blocks than the disk has', ['ssv blocks_count 4000000000']],
]

for (const [name, commands] of HOSTILE) {
  test(`${name}: refused, and nothing is written`, { skip }, async (t) => {
    const handed = await hostile(t, commands)
    await assert.rejects(handed.handBack(), DiskError)
    assert.equal(readFileSync(join(handed.project, 'a'), 'utf8'), 'a')
  })
}

async function hostile(t: TestContext, commands: readonly string[]): ReturnType<typeof handProject> {
  const handed = await handProject(t, { files: { a: 'a', 'sub/b': 'b' } })
  writeFileSync(join(handed.host, 'new'), 'new')
  handed.guest(...commands)
  // debugfs makes neither.
  patchEntry(handed.disk, 'name-out', (entry) => entry.write('../', 8))
  patchEntry(handed.disk, 'nowhere', (entry) => entry.writeUInt32LE(0x7fff_fff0, 0))
  return handed
}

/** Changes the entry of a folder that has this name, if there is one. */
function patchEntry(path: string, name: string, change: (entry: Buffer) => void): void {
  const disk = readFileSync(path)
  const at = disk.indexOf(name)
  if (at < 0) return
  change(disk.subarray(at - 8))
  writeFileSync(path, disk)
}

test(
  'a disk with any bytes changed is read, or refused, and the project stays a folder of its own',
  { skip },
  async (t) => {
    const handed = await handProject(t, {
      files: { a: 'a'.repeat(9000), 'sub/b': 'b', 'sub/c': 'c' },
      mostBytes: 1 << 20,
    })
    const original = readFileSync(handed.disk)
    // Superblock and descriptors, and every block in which there is something of the first MiB: tables and folders.
    const places = [...original.subarray(0, 1 << 20).entries()].flatMap(([index, byte]) => (byte === 0 ? [] : [index]))
    await fuzz(t, { runs: 60 }, async (random) => {
      using file = openForWriting(handed.disk)
      const changes = Array.from({ length: random.integer(1, 8) }, () => random.pick(places))
      for (const at of changes) file.write(Buffer.from([random.integer(0, 255)]), at)
      try {
        await handed.handBack()
      } catch (error) {
        assert.ok(error instanceof DiskError, String(error))
      } finally {
        for (const at of changes) file.write(original.subarray(at, at + 1), at)
      }
    })
    const before = readdirSync(join(handed.project, '..')).toSorted()
    assert.deepEqual(before, ['disk', 'host', 'project', 'tree'])
  },
)

function openForWriting(path: string): Disposable & { write(bytes: Buffer, at: number): void } {
  const descriptor = openSync(path, 'r+')
  return {
    write: (bytes, at) => void writeSync(descriptor, bytes, 0, bytes.length, at),
    [Symbol.dispose]: () => closeSync(descriptor),
  }
}
