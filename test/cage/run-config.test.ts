/*
 * What `run` refuses before anything is started.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../src/config/schema.ts'
import { requireRunnable } from '../../src/cage/run-config.ts'

function withMachine(microvm: Readonly<Record<string, unknown>>): void {
  requireRunnable(configSchema.parse({ isolation: 'microvm', microvm: { vmm: 'firecracker', ...microvm } }))
}

test('Firecracker needs an image', () => {
  assert.throws(() => withMachine({}), /needs microvm.image/)
  withMachine({ image: 'image.tar' })
})

test('Firecracker has one processor, or an even number up to 32', () => {
  for (const vcpus of [3, 5, 34, 64])
    assert.throws(() => withMachine({ image: 'i', vcpus }), /microvm.vcpus: .* not \d+/)
  for (const vcpus of [1, 2, 32]) withMachine({ image: 'i', vcpus })
})
