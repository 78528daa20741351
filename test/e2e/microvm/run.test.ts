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
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { childrenOf } from '../../../src/system/process.ts'
import { TYPIST } from '../../support/typist.ts'
import { PROGRAM } from '../../support/program.ts'
import { CageHost } from '../support/cage.ts'
import { MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'

const timeout = PATIENCE

describe('run in a machine', { skip: withoutMachinesOr('python3'), timeout: SUITE_PATIENCE }, () => {
  let host: CageHost
  before(async () => void (host = await CageHost.open({ config: MACHINE })))
  after(() => host[Symbol.asyncDispose]())

  // First: the others find what it keeps for later machines.
  test('is tried by vm setup, which shows what a configuration may pin', { timeout }, async () => {
    const { code, stdout, stderr } = await host.agentcage(['vm', 'setup'])
    assert.equal(code, 0, stderr)
    const { path, sha256 } = requireKernel({})
    assert.match(stdout, /\[ok\] +qemu: .*, SHA-256 [0-9a-f]{64}\n/)
    assert.ok(stdout.includes(`kernel: ${path} (`) && stdout.includes(`SHA-256 ${sha256}\n`), stdout)
    assert.match(stdout, /^All prerequisites met: a guest ran after [0-9.]+ s\.\n$/m)
    await host.configure({ ...MACHINE, microvm: { ...MACHINE.microvm, kernel_sha256: '0'.repeat(64) } })
    const refused = await host.run(['true'])
    assert.equal(refused.code, 1, refused.stderr)
    assert.match(refused.stderr, /which is not that of microvm\.kernel_sha256/)
    await host.configure({ ...MACHINE, microvm: { ...MACHINE.microvm, vmm_sha256: '0'.repeat(64) } })
    assert.match((await host.run(['true'])).stderr, /which is not that of microvm\.vmm_sha256/)
    await host.configure(MACHINE)
  })

  test('is a filter that loses nothing to a slow reader, and passes signals on', { timeout }, async () => {
    const script = 'cat; trap "echo caught >&2; exit 9" TERM; echo ready >&2; sleep 600 & wait'
    const child = host.spawn(['sh', '-c', script], ['pipe', 'pipe', 'pipe'])
    const closed = once(child, 'close')
    // More than sockets hold, less than what waits in the guest beside: its command ends before anybody has read.
    const bytes = randomBytes(600_000)
    child.stdin?.end(bytes)
    let errors = ''
    const caught = new Promise<void>((resolve) => {
      child.stderr?.setEncoding('utf8').on('data', (part: string) => {
        errors += part
        if (errors.includes('ready') && !child.killed) child.kill('SIGTERM')
        if (errors.includes('caught')) resolve()
      })
    })
    await Promise.race([caught, closed])
    // Slower than the machine ends.
    await setTimeout(1000)
    const pieces = await (child.stdout as Readable).toArray()
    assert.deepEqual(await closed, [9, null], errors)
    assert.ok(Buffer.concat(pieces as Buffer[]).equals(bytes))
  })

  test('says so when the guest’s kernel panics, and leaves nothing', { timeout }, async (t) => {
    if (process.geteuid?.() !== 0) return t.skip('the workload is root in the guest only if agentcage is')
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

  test('has a terminal with its size, and says so when the VMM is killed', { timeout }, async () => {
    // Not `read` at once: a shell that a signal reaches just before it waits for input waits on, and traps nothing.
    const script = `tty; stty size; trap "echo caught; caught=1" INT; echo ready
      until test "$caught"; do sleep 0.1; done; read x; echo "read $x"; sleep 600`
    const argv = [process.execPath, PROGRAM, 'run', '-c', host.configPath, '--', 'sh', '-c', script]
    const steps = [
      ['ready', '\x03'],
      ['caught', 'more\r'],
    ]
    const child = host.start(
      '/usr/bin/python3',
      ['-c', TYPIST, JSON.stringify([argv, steps])],
      ['ignore', 'pipe', 'inherit'],
    )
    // With its line end: what a killed machine had not yet passed on is lost.
    const isOver = (text: string): boolean => text.replaceAll('\r', '').includes('read more\n')
    let out = ''
    for await (const part of (child.stdout as Readable).setEncoding('utf8') as AsyncIterable<string>) {
      const wasOver = isOver(out)
      out += part
      if (wasOver || !isOver(out)) continue
      const machines = descendants(child.pid ?? 0).filter(isMachine)
      assert.equal(machines.length, 1)
      for (const pid of machines) process.kill(pid, 'SIGKILL')
    }
    out = out.replaceAll('\r', '')
    assert.match(
      out,
      /\/dev\/hvc0\n30 90\nready[^]*caught[^]*read more\n[^]*error: the machine ended before its command did/,
    )
    assert.match(out, /steps left: 0/)
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
