/**
 * `run` with a machine, as somebody uses it: a filter with its exit code, signals, a terminal. And how it ends when the
 * guest or its VMM does: with a message, soon, and with nothing left of it.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { childrenOf } from '../../../src/system/process.ts'
import { TYPIST } from '../../support/typist.ts'
import { CageHost } from '../support/cage.ts'
import { PROGRAM } from '../../support/program.ts'
import { MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'

const timeout = PATIENCE

describe('run in a machine', { skip: withoutMachinesOr(), timeout: SUITE_PATIENCE }, () => {
  test('is tried by vm setup, which shows what a configuration may pin', { timeout }, async ({ signal }) => {
    await using host = await CageHost.open({ config: MACHINE, signal })
    const { code, stdout, stderr } = await host.agentcage(['vm', 'setup'])
    assert.equal(code, 0, stderr)
    const { path, sha256 } = requireKernel({})
    assert.match(stdout, /\[ok\] +qemu: .*\n/)
    assert.ok(stdout.includes(`kernel: ${path} (`) && stdout.includes(`SHA-256 ${sha256}\n`), stdout)
    assert.match(stdout, /^All prerequisites met: a guest ran after [0-9.]+ s\.\n$/m)
    await host.configure({ ...MACHINE, microvm: { ...MACHINE.microvm, kernel_sha256: '0'.repeat(64) } })
    const refused = await host.run(['true'])
    assert.equal(refused.code, 1, refused.stderr)
    assert.match(refused.stderr, /which is not that of microvm\.kernel_sha256/)
  })

  test('is a filter, keeps output and errors apart, and passes signals on', { timeout }, async ({ signal }) => {
    await using host = await CageHost.open({ config: MACHINE, signal })
    const script = 'cat; trap "echo caught >&2; exit 9" TERM; echo ready >&2; while :; do sleep 0.1; done'
    const child = host.spawn(['sh', '-c', script], ['pipe', 'pipe', 'pipe'])
    const closed = once(child, 'close')
    const bytes = randomBytes(1_000_000)
    child.stdin?.end(bytes)
    const pieces: Buffer[] = []
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      if (!errors.includes('ready') && (errors + part).includes('ready')) child.kill('SIGTERM')
      errors += part
    })
    assert.deepEqual(await closed, [9, null], errors)
    assert.ok(Buffer.concat(pieces).equals(bytes))
    assert.match(errors, /ready\n(?:.*\n)*caught\n(?:.*\n)*0 allowed, 0 flagged, 0 blocked/)
  })

  test('loses nothing of its output to a slow reader', { timeout }, async ({ signal }) => {
    await using host = await CageHost.open({ config: MACHINE, signal })
    // More than sockets hold, less than what waits in the guest beside: its command ends before anybody has read.
    const child = host.spawn(['sh', '-c', 'head -c 600000 /dev/zero; echo done >&2'], ['ignore', 'pipe', 'pipe'])
    const closed = once(child, 'close')
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors += part))
    while (!errors.includes('done')) await once(child.stderr as Readable, 'data')
    let length = 0
    // Slower than the machine ends.
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      if (length === 0) await setTimeout(2000)
      length += chunk.length
    }
    assert.deepEqual(await closed, [0, null], errors)
    assert.equal(length, 600_000)
  })

  test(
    'has a terminal with its size, and keys are the guest’s to interpret',
    { timeout, skip: withoutMachinesOr('python3') },
    async ({ signal }) => {
      await using host = await CageHost.open({ config: MACHINE, signal })
      // Not `read` at once: a shell that a signal reaches just before it waits for input waits on, and traps nothing.
      const script = `tty; stty size; trap "echo caught; caught=1" INT; echo ready
        until test "$caught"; do sleep 0.1; done; read x; echo "read $x"; exit 7`
      const argv = [process.execPath, PROGRAM, 'run', '-c', host.configPath, '--', 'sh', '-c', script]
      const steps = [
        ['ready', '\x03'],
        ['caught', 'more\r'],
      ]
      const typist = ['-c', TYPIST, JSON.stringify([argv, steps])]
      const child = host.start('/usr/bin/python3', typist, ['ignore', 'pipe', 'inherit'])
      const out = (await text(child.stdout as Readable)).replaceAll('\r', '')
      assert.match(out, /\/dev\/hvc0\n30 90\nready[^]*caught[^]*read more\n/)
      assert.match(out, /steps left: 0/)
    },
  )

  test('says so when the guest’s kernel panics, and leaves nothing', { timeout }, async (t) => {
    if (process.geteuid?.() !== 0) return t.skip('the workload is root in the guest only if agentcage is')
    await using host = await CageHost.open({ config: MACHINE, signal: t.signal })
    const temporary = join(host.folder, 'tmp')
    await mkdir(temporary)
    const { code, stderr } = await host.run(['sh', '-c', 'echo c > /proc/sysrq-trigger; sleep 600'], {
      env: { TMPDIR: temporary },
    })
    assert.equal(code, 1, stderr)
    assert.match(stderr, /error: the machine ended before its command did \(.*(?:sysrq|panic).*\)/i)
    assert.deepEqual(await readdir(temporary), [])
    assert.deepEqual(await readdir(host.project), [])
  })

  test('says so when the VMM is killed, and leaves nothing', { timeout }, async ({ signal }) => {
    await using host = await CageHost.open({ config: MACHINE, signal })
    const child = host.spawn(['sh', '-c', 'echo ready; sleep 600'], ['ignore', 'pipe', 'pipe'])
    const closed = once(child, 'close')
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors += part))
    await once(child.stdout?.resume() as Readable, 'data')
    const machines = descendants(child.pid ?? 0).filter(isMachine)
    assert.equal(machines.length, 1)
    for (const pid of machines) process.kill(pid, 'SIGKILL')
    assert.deepEqual(await closed, [1, null], errors)
    assert.match(errors, /error: the machine ended before its command did/)
    assert.deepEqual(await readdir(host.project), [])
  })
})

function descendants(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}

function isMachine(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system')
  } catch {
    return false // Gone in between.
  }
}
