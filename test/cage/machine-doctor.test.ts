/*
 * `agentcage vm doctor` names every part that a machine of either VMM needs, and which kernels do not fit and why; it exits
 * with 1 exactly when something is missing, and nothing is that only the VMM needs that is not meant.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Check } from '../../src/cage/doctor.ts'
import { checkMachineParts, type MachinesMeant } from '../../src/cage/machine-doctor.ts'
import { findProgram } from '../../src/system/process.ts'
import { withFolder } from '../support/temporary.ts'
import { PROGRAM } from '../support/program.ts'

const NAMES = ['qemu', 'kvm', 'kernel', 'busybox', 'xz', 'mkfs.ext4', 'firecracker', 'tun', 'socat']

test('every part is named once, in one line', async () => {
  const checks = await checkMachineParts({}, '/nonexistent')
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
    const check = (await checkMachineParts({ kernel }, folder)).find(({ name }) => name === 'kernel')
    assert.deepEqual(check, { name: 'kernel', status: 'missing', detail: `${kernel} ${reason}`, mend: undefined })
  }
})

test('the command exits with 1 and says so when a part is missing, also as JSON', async (t) => {
  const folder = await withFolder(t)
  const path = join(folder, 'none')
  const text = spawnSync(process.execPath, [PROGRAM, 'vm', 'doctor', '--kernel', path], { encoding: 'utf8' })
  assert.equal(text.status, 1)
  assert.match(
    text.stdout,
    /^\[missing\] kernel: [^]*\nThis host cannot run machines of QEMU’s yet; mend what is missing\.\n$/m,
  )
  const json = spawnSync(process.execPath, [PROGRAM, 'vm', 'doctor', '--kernel', path, '--json'], {
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
  const setup = spawnSync(process.execPath, [PROGRAM, 'vm', 'setup', '--kernel', join(folder, 'none')], {
    encoding: 'utf8',
  })
  assert.equal(setup.status, 1)
  assert.match(setup.stdout, /^Remaining issues:\n\[missing\] kernel: .*cannot be read/)
})

async function part(name: string, meant: MachinesMeant): Promise<Check | undefined> {
  return (await checkMachineParts(meant, '/nonexistent')).find((check) => check.name === name)
}

test('a host without Firecracker lacks nothing that QEMU needs, and everything that Firecracker does', async () => {
  const none = '/nonexistent/firecracker'
  const installed = findProgram('firecracker') !== undefined
  assert.equal((await part('firecracker', {}))?.status, installed ? 'ok' : 'absent')
  const check = await part('firecracker', { firecracker: none })
  assert.equal(check?.status, 'missing')
  assert.match(check.detail, /^no program at \/nonexistent\/firecracker; .*microvm\.firecracker_bin/)
  assert.match(check.mend ?? '', /^sudo install .* \/usr\/local\/bin\/firecracker {2}#/)
  const byName = await part('firecracker', { firecracker: 'firecracker-of-nobody' })
  assert.match(byName?.detail ?? '', /^no firecracker-of-nobody in \/usr\/bin, .*\/usr\/local\/bin/)
})

test('what QEMU does without is missing for Firecracker', async () => {
  for (const name of ['kvm', 'tun', 'socat', 'mkfs.ext4']) {
    const [without, withIt] = [await part(name, {}), await part(name, { firecracker: 'firecracker' })]
    assert.ok(without?.status !== 'missing', name)
    assert.equal(withIt?.status, without?.status === 'ok' ? 'ok' : 'missing', name)
  }
  assert.equal(
    (await part('socat', { firecracker: 'firecracker' }))?.status === 'ok',
    findProgram('socat') !== undefined,
  )
  const tun = await part('tun', { firecracker: 'firecracker' })
  if (!existsSync('/dev/net/tun')) assert.equal(tun?.mend, 'sudo modprobe tun')
  assert.notEqual((await part('qemu', { firecracker: 'firecracker' }))?.status, 'missing')
})

test('a program is taken for Firecracker when it says so, in a version that has what is asked for', async (t) => {
  const firecracker = join(await withFolder(t), 'firecracker')
  for (const [version, status, detail] of [
    ['Firecracker v1.8.0', 'ok', `${firecracker}, Firecracker v1.8.0`],
    ['Firecracker v2.0.1-dev', 'ok', `${firecracker}, Firecracker v2.0.1-dev`],
    ['Firecracker v1.7.0', 'missing', `${firecracker} is Firecracker v1.7.0; 1.8 or newer is needed`],
    ['QEMU emulator version 9', 'missing', `${firecracker} does not say that it is Firecracker (--version)`],
  ] as const) {
    writeFileSync(firecracker, `#!/bin/sh\ntest "$1" = --version && echo '${version}'\n`, { mode: 0o755 })
    const check = await part('firecracker', { firecracker })
    const sum = createHash('sha256').update(readFileSync(firecracker)).digest('hex')
    const shown = status === 'ok' ? `${detail}, SHA-256 ${sum}` : detail
    assert.deepEqual([check?.status, check?.detail], [status, shown])
  }
})

test('the command looks at Firecracker by a path from where it is called', async (t) => {
  const folder = await withFolder(t)
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, 'vm', 'doctor', '--firecracker', './fc'], {
    encoding: 'utf8',
    cwd: folder,
  })
  assert.equal(status, 1)
  assert.ok(stdout.includes(`[missing] firecracker: no program at ${join(folder, 'fc')};`), stdout)
  assert.match(stdout, /\nThis host cannot run machines of Firecracker’s yet; mend what is missing\.\n$/)
})
