/*
 * The header of a kernel's boot image: where the packed kernel lies, how it is packed and what it is called. Files that
 * are no kernel, or say that they are longer than they are, are no boot images.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { CageError } from '../../../src/errors.ts'
import { readBootImage } from '../../../src/isolation/microvm/boot-image.ts'
import { examineKernel } from '../../../src/isolation/microvm/kernel.ts'
import { bootableKernel, unpackKernel } from '../../../src/isolation/microvm/unpack.ts'
import { fuzz, mutate } from '../../support/fuzz.ts'
import { withFolder } from '../../support/temporary.ts'

const KERNEL = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(3000, 'kernel')])
const SIZE = Buffer.from([0xbc, 0x0b, 0, 0])

/** A boot image with one setup sector, and the payload 64 bytes behind it. */
function bootImage(payload: Buffer, release = '6.1.0-56-amd64 (someone@example) #1'): Buffer {
  const head = Buffer.alloc(1024 + 64)
  head[0x1f1] = 1
  head.write('HdrS', 0x202)
  head.writeUInt16LE(0x20f, 0x206)
  head.writeUInt16LE(0x100, 0x20e)
  head.write(`${release}\0`, 0x300)
  head.writeUInt32LE(64, 0x248)
  head.writeUInt32LE(payload.length, 0x24c)
  return Buffer.concat([head, payload])
}

test('a packed kernel is found, named and unpacked', () => {
  const packed = [
    { packing: 'gzip', payload: gzipSync(KERNEL) },
    { packing: 'zstd', payload: Buffer.concat([zstdCompressSync(KERNEL), SIZE]) },
    { packing: 'none', payload: KERNEL },
  ]
  for (const { packing, payload } of packed) {
    const file = bootImage(payload)
    const image = readBootImage(file)
    assert.deepEqual(image, { release: '6.1.0-56-amd64', packing, start: 1088, end: 1088 + payload.length })
    if (image !== undefined && packing !== 'none') assert.deepEqual(unpackKernel(file, image), KERNEL)
  }
})

test('an ELF file is the kernel itself', () => {
  assert.equal(readBootImage(KERNEL)?.packing, 'none')
})

test('what does not unpack to a kernel is none', () => {
  const file = bootImage(gzipSync('no kernel at all'))
  const image = readBootImage(file)
  assert.ok(image)
  assert.equal(unpackKernel(file, image), undefined)
})

test('Firecracker is given no kernel that stays packed, and QEMU the boot image as it is', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'vmlinuz')
  mkdirSync(join(folder, '6.1.0-56-amd64'))
  const needed =
    'virtio_mmio virtio_net virtio_blk ext4 vmw_vsock_virtio_transport overlay virtio_console 9pnet_virtio 9p'
  const modules = needed.replace(/\S+ ?/g, (name) => `kernel/${name.trim()}.ko:\n`)
  writeFileSync(join(folder, '6.1.0-56-amd64/modules.dep'), modules)
  writeFileSync(join(folder, '6.1.0-56-amd64/modules.builtin'), '')
  for (const [packing, payload] of [
    ['lz4', Buffer.from('02214c18'.padEnd(80, '0'), 'hex')],
    ['unknown', Buffer.from('lzop or lzma, or bytes that are none of these')],
    ['gzip', gzipSync('no kernel at all')],
    ['zstd', Buffer.concat([zstdCompressSync(KERNEL).subarray(0, 20), SIZE])],
  ] as const) {
    writeFileSync(path, bootImage(payload))
    const finding = examineKernel(path, 'qemu', [folder])
    assert.ok(finding.kind === 'usable', packing)
    const { kernel } = finding
    assert.equal(kernel.image.packing, packing)
    assert.equal(await bootableKernel(kernel, join(folder, 'cache'), 'qemu'), path)
    await assert.rejects(bootableKernel(kernel, join(folder, 'cache'), 'firecracker'), (error) => {
      assert.ok(error instanceof CageError && error.code === 'host_unsupported')
      assert.ok(
        error.message.startsWith(`${path} is packed ${packing === 'unknown' ? 'in an unknown' : `with ${packing}`}`),
      )
      assert.match(error.hint ?? '', /microvm\.kernel/)
      return true
    })
    const isForeign = packing === 'lz4' || packing === 'unknown'
    assert.equal(examineKernel(path, 'firecracker', [folder]).kind, isForeign ? 'unusable' : 'usable', packing)
  }
})

test('no boot images', () => {
  const good = bootImage(gzipSync(KERNEL))
  const old = Buffer.from(good)
  old.writeUInt16LE(0x207, 0x206)
  const long = Buffer.from(good)
  long.writeUInt32LE(0xffff_ffff, 0x24c)
  for (const file of [
    Buffer.alloc(0),
    Buffer.from('#!/bin/sh\n'),
    Buffer.alloc(4096),
    good.subarray(0, 600),
    old,
    long,
  ])
    assert.equal(readBootImage(file), undefined)
})

test('a release that could be a path is none', () => {
  const file = bootImage(gzipSync(KERNEL), '../../home/person (x)')
  assert.equal(readBootImage(file)?.release, undefined)
})

test('fuzz: whatever the file holds, what is found lies within it', async (t) => {
  const original = bootImage(gzipSync(KERNEL))
  await fuzz(t, { runs: 3000 }, (random) => {
    const file = mutate(random, original)
    const image = readBootImage(file)
    if (image === undefined) return
    assert.ok(image.start >= 0 && image.start < image.end && image.end <= file.length)
    assert.doesNotMatch(image.release ?? '', /[/\0]/)
  })
})
