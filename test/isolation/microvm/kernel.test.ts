/*
 * Which kernel a machine gets: the newest that fits, or the one that is named; and with a SHA-256 that file and no other,
 * however alike.
 */
import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { examineKernel, requireKernel, type Vmm } from '../../../src/isolation/microvm/kernel.ts'
import { withoutMachinesOr } from '../../e2e/support/machine.ts'
import { withFolder } from '../../support/temporary.ts'

const skip = withoutMachinesOr()

test('a kernel with the SHA-256 that is asked for is taken', { skip }, () => {
  const { path, sha256 } = requireKernel({})
  assert.equal(requireKernel({ sha256 }).path, path)
  assert.equal(requireKernel({ path, sha256 }).path, path)
})

test('another one is refused, with what it has', { skip }, async (t) => {
  const { path, sha256 } = requireKernel({})
  const other = join(await withFolder(t), 'vmlinuz')
  copyFileSync(path, other)
  appendFileSync(other, '\0')
  const changed = requireKernel({ path: other }).sha256
  assert.notEqual(changed, sha256)
  assert.throws(
    () => requireKernel({ path: other, sha256 }),
    (error) =>
      error instanceof CageError && error.message.includes(`${other} has the SHA-256 ${changed}, which is not`),
  )
  assert.throws(() => requireKernel({ sha256: '0'.repeat(64) }), /which is not that of microvm\.kernel_sha256/)
})

test('a VMM asks for the modules of its own machines and no others', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'vmlinux')
  writeFileSync(path, '\x7fELF Linux version 6.1.0-test (someone@example) #1 SMP')
  mkdirSync(join(folder, '6.1.0-test'))
  writeFileSync(join(folder, '6.1.0-test/modules.builtin'), '')
  const reason = (vmm: Vmm, modules: string): string | undefined => {
    const index = modules.split(' ').map((name) => `kernel/${name}.ko:\n`)
    writeFileSync(join(folder, '6.1.0-test/modules.dep'), index.join(''))
    const finding = examineKernel(path, vmm, [folder])
    return finding.kind === 'usable' ? undefined : finding.reason
  }
  const ofQemu = 'virtio_net virtio_console 9pnet_virtio 9p overlay'
  const ofFirecracker = 'virtio_mmio virtio_net virtio_blk ext4 vmw_vsock_virtio_transport overlay'
  assert.equal(reason('qemu', ofQemu), undefined)
  assert.equal(reason('firecracker', ofFirecracker), undefined)
  assert.equal(reason('qemu', ofFirecracker), 'lacks virtio_console, 9pnet_virtio, 9p')
  assert.equal(reason('firecracker', ofQemu), 'lacks virtio_mmio, virtio_blk, ext4, vmw_vsock_virtio_transport')
})
