/*
 * What a guest did to the disk with its copy of the project is taken over into the project when it has ended: exactly that,
 * without losing anything that the host did meanwhile, and nothing that reaches out of the project or over its masks.
 * Disks are made by mkfs.ext4 and changed by debugfs, which stands for a guest whose root writes what it likes.
 */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missingTools } from '../../../support/requires.ts'
import { handProject } from './disk.ts'

const skip = missingTools('mkfs.ext4', 'debugfs')

test('files that the guest made, changed and removed; the rest is not touched', { skip }, async (t) => {
  const handed = await handProject(t, {
    files: { 'kept.txt': 'kept', 'old.txt': 'old', 'gone.txt': 'gone', 'src/deep/a': 'a' },
  })
  const { project, host } = handed
  const before = lstatSync(join(project, 'kept.txt'), { bigint: true })
  writeFileSync(join(host, 'new'), 'n'.repeat(200_000))
  writeFileSync(join(host, 'script'), '#!/bin/sh\n', { mode: 0o755 })
  handed.guest(
    'cd /project',
    'rm old.txt',
    'write <host>/new old.txt',
    'rm gone.txt',
    'mkdir made',
    'cd made',
    'write <host>/script run',
    'symlink link ../src/deep/a',
  )
  const report = await handed.handBack()
  assert.deepEqual(report.kept, [])
  assert.equal(readFileSync(join(project, 'old.txt'), 'utf8'), 'n'.repeat(200_000))
  assert.equal(existsSync(join(project, 'gone.txt')), false)
  assert.equal(statSync(join(project, 'made/run')).mode & 0o777, 0o755)
  assert.equal(readlinkSync(join(project, 'made/link')), '../src/deep/a')
  assert.deepEqual(readdirSync(project).toSorted(), ['kept.txt', 'made', 'old.txt', 'src'])
  const after = lstatSync(join(project, 'kept.txt'), { bigint: true })
  assert.deepEqual([after.ino, after.mtimeNs, after.ctimeNs], [before.ino, before.mtimeNs, before.ctimeNs])
})

test('a disk that the guest left alone changes nothing, whatever the host did meanwhile', { skip }, async (t) => {
  const handed = await handProject(t, { files: { a: 'a', b: 'b', 'c/d': 'd' } })
  writeFileSync(join(handed.project, 'a'), 'of the host')
  rmSync(join(handed.project, 'c'), { recursive: true })
  assert.deepEqual(await handed.handBack(), { kept: [], needsDisk: false })
  assert.deepEqual(readdirSync(handed.project).toSorted(), ['a', 'b'])
  assert.equal(readFileSync(join(handed.project, 'a'), 'utf8'), 'of the host')
})

test('what both changed stays the host’s, with the guest’s beside it', { skip }, async (t) => {
  const handed = await handProject(t, { files: { both: 'before', removed: 'before' } })
  writeFileSync(join(handed.host, 'new'), 'of the guest')
  handed.guest('cd /project', 'rm both', 'write <host>/new both', 'rm removed', 'write <host>/new made')
  for (const name of ['both', 'removed', 'made']) writeFileSync(join(handed.project, name), `host ${name}`)
  const { kept } = await handed.handBack()
  assert.deepEqual(kept.map(({ path }) => path).toSorted(), ['/project/both', '/project/made', '/project/removed'])
  for (const { reason } of kept) assert.match(reason, /^the host changed it meanwhile/)
  const contents = readdirSync(handed.project).map((name) => [name, readFileSync(join(handed.project, name), 'utf8')])
  assert.deepEqual(Object.fromEntries(contents), {
    both: 'host both',
    'both.from-guest': 'of the guest',
    made: 'host made',
    'made.from-guest': 'of the guest',
    removed: 'host removed',
  })
})

test('a folder that the guest removed goes, but for what the host put into it', { skip }, async (t) => {
  const handed = await handProject(t, { files: { 'x/a': 'a', 'y/a': 'a' } })
  handed.guest('cd /project', 'rm x/a', 'rmdir x', 'rm y/a', 'rmdir y')
  writeFileSync(join(handed.project, 'y/mine'), 'mine')
  const { kept } = await handed.handBack()
  assert.deepEqual(kept, [{ path: '/project/y', reason: 'the host has more in it' }])
  assert.deepEqual(readdirSync(handed.project), ['y'])
  assert.deepEqual(readdirSync(join(handed.project, 'y')), ['mine'])
})

test('masks and places that are read-only are not written to, removed or replaced', { skip }, async (t) => {
  const files = { '.git/hooks/pre-commit': 'hook', '.git/config': 'config', '.env': 'masked' }
  const stops = ['/project/.git/hooks', '/project/.git/config', '/project/.env', '/project/.claude']
  const handed = await handProject(t, { files, stops })
  writeFileSync(join(handed.host, 'evil'), 'evil')
  handed.guest(
    'cd /project/.git/hooks',
    'rm pre-commit',
    'write <host>/evil post-checkout',
    'cd /project/.git',
    'rm config',
    'symlink config ../../../etc/passwd',
    'cd /project',
    'rm .env',
    'write <host>/evil .env',
    'mkdir .claude',
    'cd .claude',
    'write <host>/evil settings.json',
  )
  assert.deepEqual(await handed.handBack(), { kept: [], needsDisk: false })
  for (const [name, content] of Object.entries(files))
    assert.equal(readFileSync(join(handed.project, name), 'utf8'), content)
  assert.deepEqual(readdirSync(join(handed.project, '.git/hooks')), ['pre-commit'])
  assert.equal(existsSync(join(handed.project, '.claude')), false)
})

test('links that lead out are refused', { skip }, async (t) => {
  const handed = await handProject(t, { files: { 'sub/a': 'a' } })
  const links = { absolute: '/etc/passwd', up: '../outside', chained: 'sub/../../outside', own: '/project/sub' }
  handed.guest(
    'cd /project',
    ...Object.entries(links).map(([name, to]) => `symlink ${name} ${to}`),
    'symlink fine ./sub/a',
  )
  const { kept } = await handed.handBack()
  assert.deepEqual(
    kept.map(({ path }) => path).toSorted(),
    ['absolute', 'chained', 'own', 'up'].map((name) => `/project/${name}`),
  )
  assert.deepEqual(readdirSync(handed.project).toSorted(), ['fine', 'sub'])
})

test('devices, sockets and set-user-id programs are refused', { skip }, async (t) => {
  const handed = await handProject(t, { files: { a: 'a' } })
  writeFileSync(join(handed.host, 'shell'), 'shell', { mode: 0o755 })
  handed.guest(
    'cd /project',
    'mknod disk b 8 0',
    'mknod memory c 1 1',
    'mknod pipe p',
    'write <host>/shell suid',
    'sif suid mode 0104755',
    'write <host>/shell sgid',
    'sif sgid mode 0102755',
  )
  const { kept } = await handed.handBack()
  assert.deepEqual(
    kept.map(({ path }) => path).toSorted(),
    ['disk', 'memory', 'pipe', 'sgid', 'suid'].map((name) => `/project/${name}`),
  )
  assert.deepEqual(readdirSync(handed.project), ['a'])
})

test('no link of the host’s is gone through', { skip }, async (t) => {
  const handed = await handProject(t, { files: { 'sub/a': 'a', file: 'f' } })
  const outside = join(handed.host, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'a'), 'of the host')
  writeFileSync(join(handed.host, 'new'), 'evil')
  handed.guest(
    'cd /project/sub',
    'rm a',
    'write <host>/new a',
    'write <host>/new b',
    'cd ..',
    'rm file',
    'write <host>/new file',
  )
  renameSync(join(handed.project, 'sub'), join(handed.host, 'moved'))
  symlinkSync(outside, join(handed.project, 'sub'))
  rmSync(join(handed.project, 'file'))
  symlinkSync(join(outside, 'a'), join(handed.project, 'file'))
  const { kept } = await handed.handBack()
  assert.deepEqual(kept.map(({ path }) => path).toSorted(), ['/project/file', '/project/sub'])
  assert.deepEqual(readdirSync(outside), ['a'])
  assert.equal(readFileSync(join(outside, 'a'), 'utf8'), 'of the host')
})

test('more than there may be is refused file by file, also when most of it is a hole', { skip }, async (t) => {
  const handed = await handProject(t, { files: { a: 'a' }, mostBytes: 1000 })
  for (const [name, size] of [
    ['first', 600],
    ['second', 600],
    ['third', 300],
  ] as const)
    writeFileSync(join(handed.host, name), 'x'.repeat(size))
  handed.guest(
    'cd /project',
    'write <host>/first 1',
    'write <host>/second 2',
    'write <host>/third 3',
    'write <host>/third huge',
    'sif huge size 1000000000000000',
  )
  const { kept } = await handed.handBack()
  assert.deepEqual(
    kept.map(({ path, reason }) => [path, reason]),
    [
      ['/project/2', 'it is too large'],
      ['/project/huge', 'it is too large'],
    ],
  )
  assert.deepEqual(readdirSync(handed.project).toSorted(), ['1', '3', 'a'])
})

test('a file becomes a folder, a folder a file, and a mode alone is a change', { skip }, async (t) => {
  const handed = await handProject(t, { files: { f: 'f', 'd/x': 'x', m: 'm' } })
  writeFileSync(join(handed.host, 'new'), 'new')
  handed.guest('cd /project', 'rm f', 'mkdir f', 'rm d/x', 'rmdir d', 'write <host>/new d', 'sif m mode 0100755')
  chmodSync(handed.project, 0o700)
  assert.deepEqual((await handed.handBack()).kept, [])
  assert.ok(statSync(join(handed.project, 'f')).isDirectory())
  assert.equal(readFileSync(join(handed.project, 'd'), 'utf8'), 'new')
  assert.equal(statSync(join(handed.project, 'm')).mode & 0o777, 0o755)
})
