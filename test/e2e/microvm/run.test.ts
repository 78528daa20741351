/**
 * `run` with a machine, as somebody uses it: a filter with its exit code, signals, a terminal. And how it ends when the
 * guest or its VMM does: with a message, soon, and with nothing left of it.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { childrenOf } from '../../../src/system/process.ts'
import { TYPIST } from '../../support/typist.ts'
import { CageHost, COMMAND } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'
import { MACHINE, PATIENCE, withoutMachinesOr } from '../support/machine.ts'

const timeout = PATIENCE

describe('run in a machine', { skip: withoutMachinesOr(), timeout }, () => {
  test('is a filter, keeps output and errors apart, and passes signals on', { timeout }, async () => {
    await using host = await CageHost.open({ config: MACHINE })
    const script = 'cat; trap "echo caught >&2; exit 9" TERM; echo ready >&2; while :; do sleep 0.1; done'
    const child = host.spawn(['sh', '-c', script], ['pipe', 'pipe', 'pipe'])
    const exited = exitOf(child)
    const bytes = randomBytes(1_000_000)
    child.stdin?.end(bytes)
    const pieces: Buffer[] = []
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      if (!errors.includes('ready') && (errors + part).includes('ready')) child.kill('SIGTERM')
      errors += part
    })
    assert.deepEqual(await exited, [9, null], errors)
    assert.ok(Buffer.concat(pieces).equals(bytes))
    assert.match(errors, /ready\n(?:.*\n)*caught\n(?:.*\n)*0 allowed, 0 flagged, 0 blocked/)
  })

  test(
    'has a terminal with its size, and keys are the guest’s to interpret',
    { timeout, skip: withoutMachinesOr('python3') },
    async () => {
      await using host = await CageHost.open({ config: MACHINE })
      const script = 'tty; stty size; trap "echo caught" INT; echo ready; read x || read x; echo "read $x"; exit 7'
      const argv = [process.execPath, COMMAND, 'run', '-c', host.configPath, '--', 'sh', '-c', script]
      const steps = [
        ['ready', '\x03'],
        ['caught', 'more\r'],
      ]
      const child = spawn('/usr/bin/python3', ['-c', TYPIST, JSON.stringify([argv, steps])], {
        cwd: host.project,
        env: host.env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const out = (await text(child.stdout)).replaceAll('\r', '')
      assert.match(out, /\/dev\/hvc0\n30 90\nready\n[^]*caught[^]*read more\n/)
      assert.match(out, /steps left: 0/)
    },
  )

  test('says so when the guest’s kernel panics, and leaves nothing', { timeout }, async (t) => {
    if (process.geteuid?.() !== 0) return t.skip('the workload is root in the guest only if agentcage is')
    await using host = await CageHost.open({ config: MACHINE })
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

  test('says so when the VMM is killed, and leaves nothing', { timeout }, async () => {
    await using host = await CageHost.open({ config: MACHINE })
    const child = host.spawn(['sh', '-c', 'echo ready; sleep 600'], ['ignore', 'pipe', 'pipe'])
    const exited = exitOf(child)
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors += part))
    child.stdout?.once('data', () => {
      for (const pid of descendants(child.pid ?? 0).filter(isMachine)) process.kill(pid, 'SIGKILL')
    })
    assert.deepEqual(await exited, [1, null], errors)
    assert.match(errors, /error: the machine ended before its command did/)
    assert.deepEqual(await readdir(host.project), [])
  })
})

function descendants(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}

function isMachine(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system')
}
