/*
 * `agentcage vm doctor` names every part that a machine needs, and which kernels do not fit and why; it exits with 1
 * exactly when something is missing.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkMachineParts } from '../../src/cage/machine-doctor.ts'
import { withFolder } from '../support/temporary.ts'

const COMMAND = join(import.meta.dirname, '../../bin/agentcage.ts')
const NAMES = ['qemu', 'kvm', 'kernel', 'busybox', 'xz', 'mkfs.ext4']

test('every part is named once, in one line', async () => {
  const checks = await checkMachineParts(undefined, '/nonexistent')
  assert.deepEqual(
    checks.map(({ name }) => name),
    NAMES,
  )
  for (const { detail } of checks) assert.match(detail, /^[^\n]+$/)
})

test('a file that is no kernel is named with what is wrong with it', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'vmlinuz')
  writeFileSync(path, 'not a kernel')
  for (const [kernel, reason] of [
    [path, 'is not an x86_64 kernel'],
    [join(folder, 'none'), 'cannot be read (ENOENT)'],
  ] as const) {
    const check = (await checkMachineParts(kernel, folder)).find(({ name }) => name === 'kernel')
    assert.deepEqual(check, { name: 'kernel', status: 'missing', detail: `${kernel} ${reason}`, mend: undefined })
  }
})

test('the command exits with 1 and says so when a part is missing, also as JSON', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'none')
  const text = spawnSync(process.execPath, [COMMAND, 'vm', 'doctor', '--kernel', path], { encoding: 'utf8' })
  assert.equal(text.status, 1)
  assert.match(
    text.stdout,
    /\[missing\] kernel: .*\nThis host|This host cannot run machines yet; mend what is missing\.\n$/,
  )
  const json = spawnSync(process.execPath, [COMMAND, 'vm', 'doctor', '--kernel', path, '--json'], {
    encoding: 'utf8',
  })
  const { ok, checks } = JSON.parse(json.stdout) as { ok: boolean; checks: { name: string }[] }
  assert.equal(ok, false)
  assert.deepEqual(
    checks.map(({ name }) => name),
    NAMES,
  )
})

test('setup starts nothing when a part is missing', async (t) => {
  const folder = await withFolder(t)
  const setup = spawnSync(process.execPath, [COMMAND, 'vm', 'setup', '--kernel', join(folder, 'none')], {
    encoding: 'utf8',
  })
  assert.equal(setup.status, 1)
  assert.match(setup.stdout, /^Remaining issues:\n\[missing\] kernel: .*cannot be read/)
})
