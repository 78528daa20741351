/*
 * In which order a kernel's modules are loaded: each after what it needs, nothing twice, and what is built in or missing
 * told apart.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guestModules, type MachineParts } from '../../../src/isolation/microvm/kernel.ts'
import { moduleName, moduleOrder } from '../../../src/isolation/microvm/modules.ts'

const INDEX = {
  dependencies: [
    'kernel/drivers/virtio/virtio_ring.ko:',
    'kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko',
    'kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko',
    'kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko',
    '',
  ].join('\n'),
  builtin: 'kernel/fs/ext4/ext4.ko\nkernel/fs/overlayfs/overlay.ko\n',
}

test('each module comes after what it needs, and none twice', () => {
  assert.deepEqual(moduleOrder(INDEX, ['virtio_mmio', 'virtio_rng']), {
    load: [
      'kernel/drivers/virtio/virtio_ring.ko',
      'kernel/drivers/virtio/virtio.ko',
      'kernel/drivers/virtio/virtio_mmio.ko',
      'kernel/drivers/char/hw_random/virtio-rng.ko.xz',
    ],
    missing: [],
  })
})

test('what is in the kernel itself is not loaded and not missing', () => {
  assert.deepEqual(moduleOrder(INDEX, ['ext4', 'overlay']), { load: [], missing: [] })
})

test('what the kernel does not have is named', () => {
  assert.deepEqual(moduleOrder(INDEX, ['9p', 'ext4']).missing, ['9p'])
})

test('names are those of lsmod, however the file is packed', () => {
  assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.zst'), 'virtio_rng')
  assert.equal(moduleName('virtio_net.ko'), 'virtio_net')
  assert.equal(moduleName('9p'), '9p')
})

test('a guest loads the drivers of its machine and no others', () => {
  const drivers = (parts: MachineParts): readonly string[] => guestModules({ index: EVERYTHING }, parts).map(moduleName)
  const common = ['virtio_net', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'virtio_rng']
  assert.deepEqual(drivers({ vmm: 'qemu', bus: 'mmio', disks: false }), ['virtio_mmio', ...common])
  const withDisks = ['virtio_pci', ...common, 'virtio_blk', 'crc32c_generic', 'ext4']
  assert.deepEqual(drivers({ vmm: 'qemu', bus: 'pci', disks: true }), withDisks)
  assert.deepEqual(
    drivers({ vmm: 'firecracker', bus: 'mmio', disks: true }).toSorted(),
    'crc32c_generic ext4 overlay virtio_blk virtio_mmio virtio_net virtio_rng vmw_vsock_virtio_transport'.split(' '),
  )
})

const EVERYTHING = {
  dependencies: (
    'virtio_mmio virtio_pci virtio_net virtio_console 9pnet_virtio 9p overlay virtio_rng virtio_blk crc32c_generic ' +
    'ext4 vmw_vsock_virtio_transport'
  )
    .split(' ')
    .map((name) => `kernel/${name}.ko:\n`)
    .join(''),
  builtin: '',
}
