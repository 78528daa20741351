/*
 * A disk made from an image: archives of both kinds and folders give the same files, made once for the same content, and
 * an image that is for another machine, incomplete, changed or hostile leaves nothing.
 */
import assert from 'node:assert/strict'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../../src/errors.ts'
import { imageDisk } from '../../../../src/isolation/microvm/image/image-disk.ts'
import { dockerArchive, ociArchive } from '../../../support/oci-image.ts'
import { findTool, missingTools } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'

const skip = missingTools('mkfs.ext4', 'debugfs', 'tar')
const LAYERS = [
  [
    { path: 'etc/', type: '5', mode: 0o755 },
    { path: 'etc/motd', content: 'old' },
    { path: 'etc/gone', content: 'gone' },
    { path: 'sbin/tool', content: 'tool', mode: 0o4755 },
    { path: 'out', type: '2', target: '/etc/passwd' },
  ],
  [
    { path: 'etc/motd', content: 'new' },
    { path: 'etc/.wh.gone', content: '' },
    { path: 'sbin/alias', type: '1', target: 'sbin/tool' },
  ],
]

/** What `debugfs` says of the disk. */
function ask(disk: string, request: string): string {
  return spawnSync(findTool('debugfs') ?? '', ['-R', request, disk], { encoding: 'utf8' }).stdout
}

for (const [kind, archive] of [
  ['in the OCI layout', ociArchive(LAYERS)],
  ['as podman saves it', dockerArchive(LAYERS)],
] as const)
  test(`an archive ${kind}`, { skip }, async (t) => {
    const folder = await withFolder(t)
    const [image, cache] = [join(folder, 'image.tar'), join(folder, 'cache')]
    writeFileSync(image, archive)
    const disk = await imageDisk(image, cache)
    assert.equal(ask(disk, 'cat /etc/motd'), 'new')
    assert.doesNotMatch(ask(disk, 'ls /etc'), /gone/)
    assert.match(ask(disk, 'stat /out'), /Type: symlink[^]*Fast link dest: "\/etc\/passwd"/)
    assert.match(ask(disk, 'stat /sbin/alias'), /Mode: +0755 [^]*Links: 2/)
    assert.equal(statSync(disk).mode & 0o777, 0o600)
    const before = statSync(disk).ino
    assert.equal(await imageDisk(image, cache), disk)
    assert.equal(statSync(disk).ino, before)
    assert.deepEqual(
      readdirSync(cache).map((name) => name.replace(/-.*/, '')),
      ['image', 'source'],
    )
  })

test('a folder in the OCI layout', { skip }, async (t) => {
  const folder = await withFolder(t)
  const layout = join(folder, 'layout')
  await mkdir(layout)
  spawnSync(findTool('tar') ?? '', ['-x', '-C', layout], { input: ociArchive(LAYERS) })
  assert.equal(ask(await imageDisk(layout, join(folder, 'cache')), 'cat /etc/motd'), 'new')
})

const broken = (archive: Buffer, from: string, to: string): Buffer => {
  const at = archive.indexOf(from)
  assert.ok(at >= 0)
  return Buffer.concat([archive.subarray(0, at), Buffer.from(to), archive.subarray(at + from.length)])
}

const BAD: readonly (readonly [what: string, archive: Buffer, problem: RegExp])[] = [
  ['for another machine', ociArchive(LAYERS, 'arm64'), /it is for linux on arm64/],
  ['that is none', Buffer.from('not an archive'), /not an archive/],
  ['that is cut off', ociArchive(LAYERS).subarray(0, 2048), /cut off|has no blobs/],
  ['whose layer was changed', broken(dockerArchive(LAYERS), 'new', 'bad'), /checksum|layer is not what/],
  ['whose path leaves the root', ociArchive([[{ path: '../x', content: 'x' }]]), /is no path in an image/],
  [
    'that writes through its link',
    ociArchive([
      [
        { path: 'l', type: '2', target: '/etc' },
        { path: 'l/x', content: 'x' },
      ],
    ]),
    /goes through "l"/,
  ],
]

for (const [what, archive, problem] of BAD)
  test(`an image ${what} leaves nothing`, { skip }, async (t) => {
    const folder = await withFolder(t)
    const [image, cache] = [join(folder, 'image.tar'), join(folder, 'cache')]
    writeFileSync(image, archive)
    await assert.rejects(imageDisk(image, cache), (error) => {
      assert.ok(error instanceof CageError, String(error))
      assert.equal(error.code, 'config_invalid')
      assert.match(error.message, problem)
      return true
    })
    assert.deepEqual(readdirSync(cache), [])
  })

test('an image that is not there is named', async (t) => {
  const folder = await withFolder(t)
  await assert.rejects(imageDisk(join(folder, 'none'), folder), /there is no .*none/)
})
