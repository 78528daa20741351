/*
 * How a guest of Firecracker's gets to the host: by socat of this host, which is put into its first file system with the
 * libraries that it names, and a list of its ports.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageError } from '../../../../src/errors.ts'
import { vsockChannel, vsockPort } from '../../../../src/isolation/microvm/firecracker/socat.ts'
import { initramfs } from '../../../../src/isolation/microvm/initramfs.ts'
import { findTool } from '../../../support/requires.ts'

test('ports have numbers that anybody may use, one after another', () => {
  assert.deepEqual([0, 1, 15].map(vsockPort), [1024, 1025, 1039])
})

test('socat comes with its loader and libraries; without it the host is told what it lacks', async () => {
  if (findTool('socat') === undefined) {
    await assert.rejects(
      vsockChannel(['control']),
      (error) => error instanceof CageError && error.code === 'host_unsupported' && /socat/.test(error.message),
    )
    return
  }
  const { programs, host, ports } = await vsockChannel(['control', 'in0'])
  const paths = programs.map(({ path }) => path)
  assert.equal(paths[0], '/bin/socat')
  assert.ok(paths.some((path) => /\/ld-linux[^/]*$/.test(path)) && paths.some((path) => path.endsWith('/libc.so.6')))
  assert.deepEqual(
    [host, ports],
    [
      2,
      [
        { number: 1024, name: 'control' },
        { number: 1025, name: 'in0' },
      ],
    ],
  )
})

test('the first file system has folders before what lies in them, and the list; without a channel neither', () => {
  const parts = { busybox: Buffer.from('busybox'), modules: [] }
  const programs = [
    { path: '/bin/socat', content: Buffer.from('socat') },
    { path: '/lib/x/libc.so.6', content: Buffer.from('libc') },
  ]
  const ports = [{ number: 1024, name: 'control' }]
  const archive = initramfs({ ...parts, channel: { programs, host: 2, ports } })
  const places = ['bin/socat\0', 'lib\0', 'lib/x\0', 'lib/x/libc.so.6\0', 'channel\0'].map((name) =>
    archive.indexOf(name),
  )
  assert.ok(places.every((place) => place > 0))
  assert.ok(archive.indexOf('lib/x\0') < archive.indexOf('lib/x/libc.so.6\0'))
  assert.ok(archive.includes('2 1024 control\n'))
  assert.equal(initramfs(parts).includes('channel\0'), false)
})
