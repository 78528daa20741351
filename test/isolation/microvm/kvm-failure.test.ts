/*
 * That KVM ran no guest is remembered for this boot, this VMM and this kernel, and for nothing else; what others could
 * have written is no memory.
 */
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  forgetKvmFailure,
  recallKvmFailure,
  rememberKvmFailure,
  type KvmHost,
} from '../../../src/isolation/microvm/kvm-failure.ts'
import { withFolder } from '../../support/temporary.ts'

function hostIn(folder: string): KvmHost {
  const host = { qemu: join(folder, 'qemu'), kernel: join(folder, 'vmlinuz') }
  for (const path of Object.values(host)) writeFileSync(path, 'one')
  return host
}

test('a failure is remembered until it is forgotten', async (t) => {
  const folder = await withFolder(t)
  const host = hostIn(folder)
  assert.equal(await recallKvmFailure(folder, host), undefined)
  await rememberKvmFailure(folder, host, 'the guest did not\nanswer')
  assert.equal(await recallKvmFailure(folder, host), 'the guest did not answer')
  await forgetKvmFailure(folder)
  assert.equal(await recallKvmFailure(folder, host), undefined)
})

for (const part of ['qemu', 'kernel'] as const)
  test(`another ${part} is tried`, async (t) => {
    const folder = await withFolder(t)
    const host = hostIn(folder)
    await rememberKvmFailure(folder, host, 'why')
    writeFileSync(host[part], 'another')
    assert.equal(await recallKvmFailure(folder, host), undefined)
  })

test('a file of another boot, or that others may write, is no memory', async (t) => {
  const folder = await withFolder(t)
  const host = hostIn(folder)
  const path = join(folder, 'kvm-failure')
  writeFileSync(path, `${'0'.repeat(64)}\nwhy\n`, { mode: 0o600 })
  assert.equal(await recallKvmFailure(folder, host), undefined)
  await rememberKvmFailure(folder, host, 'why')
  chmodSync(path, 0o666)
  assert.equal(await recallKvmFailure(folder, host), undefined)
})
