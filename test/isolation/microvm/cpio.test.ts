/*
 * The archive that the kernel unpacks: the bytes of the format, what an independent reader makes of them, and that
 * nothing is written which that reader would put elsewhere.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { cpioArchive, type CpioEntry } from '../../../src/isolation/microvm/cpio.ts'
import { findTool, requireTool } from '../../support/requires.ts'
import { makeFolder } from '../../support/temporary.ts'

test('a file is a header in hexadecimal, its name and its content, each padded to four bytes', () => {
  const archive = cpioArchive([{ kind: 'file', path: 'init', mode: 0o755, content: Buffer.from('hello') }])
  const file = [
    '070701',
    // inode, mode, owner, group, links, date
    '00000001000081ed00000000000000000000000100000000',
    // size, device, device of the entry, length of the name, checksum
    '0000000500000000000000000000000000000000',
    '0000000500000000',
    'init\0\0hello\0\0\0',
  ]
  const end = ['070701', '0'.repeat(32), '00000001', '0'.repeat(48), '0000000b', '0'.repeat(8), 'TRAILER!!!\0\0\0\0']
  assert.equal(archive.toString('latin1'), [...file, ...end].join(''))
})

test('equal entries give equal bytes, and archives can stand one after the other', () => {
  const entries: readonly CpioEntry[] = [
    { kind: 'folder', path: 'dev' },
    { kind: 'device', path: 'dev/console', numbers: [5, 1] },
    { kind: 'link', path: 'sh', to: 'bin/busybox' },
  ]
  const archive = cpioArchive(entries)
  assert.deepEqual(archive, cpioArchive(entries))
  assert.equal(archive.length % 4, 0)
})

test('an independent reader finds every entry as it was', async (t) => {
  if (!requireTool(t, 'busybox')) return
  const folder = await makeFolder()
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const content = Buffer.from([0, 255, 10, 13, 7])
  const archive = cpioArchive([
    { kind: 'folder', path: 'a', mode: 0o700 },
    { kind: 'file', path: 'a/empty', content: Buffer.alloc(0) },
    { kind: 'file', path: 'a/four', mode: 0o640, content: Buffer.from('four') },
    { kind: 'file', path: 'a/five with space', content },
    { kind: 'link', path: 'a/link', to: '../elsewhere' },
  ])
  const { status, stderr } = spawnSync(findTool('busybox') ?? '', ['cpio', '-i', '-d'], { cwd: folder, input: archive })
  assert.equal(status, 0, String(stderr))
  assert.deepEqual(readdirSync(join(folder, 'a')).toSorted(), ['empty', 'five with space', 'four', 'link'])
  assert.deepEqual(readFileSync(join(folder, 'a/five with space')), content)
  assert.equal(lstatSync(join(folder, 'a/four')).mode & 0o777, 0o640)
  assert.equal(lstatSync(join(folder, 'a')).mode & 0o777, 0o700)
  assert.equal(readlinkSync(join(folder, 'a/link')), '../elsewhere')
})

test('every archive has whole headers at multiples of four up to its end', () => {
  const path = fc
    .array(fc.stringMatching(/^[a-zé-]{1,9}$/), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join('/'))
  const file = fc.record({ kind: fc.constant('file' as const), path, content: fc.uint8Array({ maxLength: 40 }) })
  fc.assert(
    fc.property(fc.array(file, { maxLength: 8 }), (files) => {
      const names: string[] = []
      const archive = cpioArchive(files)
      for (let at = 0; at < archive.length;) {
        assert.equal(archive.toString('latin1', at, at + 6), '070701')
        const field = (index: number): number =>
          Number.parseInt(archive.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16)
        const nameEnd = at + 110 + field(11)
        names.push(archive.toString('utf8', at + 110, nameEnd - 1))
        at = align(align(nameEnd) + field(6))
      }
      assert.deepEqual(names, [...files.map((entry) => entry.path), 'TRAILER!!!'])
    }),
  )
})

for (const path of ['', '/etc', 'a//b', 'a/', '../a', 'a/../b', './a', 'a\0b', 'TRAILER!!!'])
  test(`refused as a path: ${JSON.stringify(path)}`, () => {
    assert.throws(() => cpioArchive([{ kind: 'folder', path }]), RangeError)
  })

function align(offset: number): number {
  return offset + (-offset & 3)
}
