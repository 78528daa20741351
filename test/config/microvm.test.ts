/*
 * The machine of `isolation: microvm`, under its own name and under the one that the original has, with the original's
 * bounds and messages.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isolationOf, machineOf } from '../../src/config/isolation.ts'
import { configSchema } from '../../src/config/schema.ts'
import { configProblems } from './config-problems.ts'

test('without a section the machine is that of the defaults', () => {
  const config = configSchema.parse({ isolation: 'firecracker' })
  assert.equal(isolationOf(config), 'microvm')
  assert.deepEqual(machineOf(config), { vmm: 'auto', vcpus: 2, mem_mb: 2048 })
})

test('either section says what the machine is', () => {
  const { kernel, vcpus, mem_mb, vmm } = machineOf(configSchema.parse({ firecracker: { kernel: '/k', mem_mb: 512 } }))
  assert.deepEqual({ kernel, vcpus, mem_mb, vmm }, { kernel: '/k', vcpus: 2, mem_mb: 512, vmm: 'auto' })
  assert.equal(machineOf(configSchema.parse({ microvm: { vmm: 'qemu', disk_mb: 4096 } })).disk_mb, 4096)
})

const PROBLEMS: readonly (readonly [string, string])[] = [
  ['firecracker: {vcpus: 0}', '1:22: firecracker.vcpus must be >= 1'],
  ['firecracker: {mem_mb: 127}', '1:23: firecracker.mem_mb must be >= 128'],
  ['microvm: {disk_mb: 1}', '1:20: microvm.disk_mb must be >= 64'],
  ['microvm: {vmm_sha256: abc}', '1:23: microvm.vmm_sha256 must be 64 hexadecimal digits in lower case'],
  ['microvm: {kernel_sha256: ABC}', '1:26: microvm.kernel_sha256 must be 64 hexadecimal digits in lower case'],
  ['microvm: {vmm: xen}', '1:16: microvm.vmm must be "auto", "qemu" or "firecracker", not "xen"'],
  ['microvm: {}\nfirecracker: {}', '2:1: firecracker is another name for microvm; write one of them'],
]

for (const [text, problem] of PROBLEMS)
  test(problem, () => {
    const found = configProblems(text).map(({ line, column, message }) => `${line}:${column}: ${message}`)
    assert.deepEqual(found, [problem])
  })
