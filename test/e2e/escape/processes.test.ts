/**
 * Escapes by other processes: seeing, signalling, tracing, reading the memory or environment of anything outside.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'
import { exitOf } from '../support/exit.ts'
import type { CageSession } from '../support/session.ts'
import { CALL, numberOf } from './syscalls.ts'

describe('processes', { skip: withoutCagesOr('python3') }, () => {
  const marker = `host-${randomUUID()}`
  let host: CageHost
  let cage: CageSession
  let bystander: ChildProcess

  before(async () => {
    host = await CageHost.open({ env: { HOST_SECRET: marker } })
    bystander = spawn('sleep', ['1000'], { env: { HOST_SECRET: marker }, argv0: marker })
    cage = await host.session()
  })
  after(async () => {
    await cage.close()
    bystander.kill('SIGKILL')
    await exitOf(bystander)
    await host[Symbol.asyncDispose]()
  })

  /** Everybody outside that matters: the supervisor, a process of the same user. */
  const outside = (): readonly number[] => [cage.pid, bystander.pid ?? 0]

  test('no process of the host is to be seen', async () => {
    const { stdout } = await cage.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'; ls /proc")
    assert.ok(!stdout.includes(marker))
    const inside = stdout
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number)
    const ofHost = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length
    assert.ok(inside.length < ofHost && Math.max(...inside) < 10_000, `${inside.length} of ${ofHost}`)
  })

  test('the first process is the cage’s own, and its root is the cage', async () => {
    const { stdout } = await cage.sh(
      'ls /proc/1/root/ | tr "\\n" " "; ls / | tr "\\n" " "; ls -a /proc/1/root/../.. | head -3; ls /proc/1/cwd/',
    )
    assert.ok(!stdout.includes('boot'), stdout)
    const { stdout: secret } = await cage.sh(
      `cat /proc/1/root${host.configPath} /proc/1/root/../../${host.configPath} 2>&1; true`,
    )
    assert.match(secret, /No such file/)
  })

  test('signals do not get out', async () => {
    for (const pid of outside()) {
      const { stdout } = await cage.python(`
import errno, os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, 0):
    try:
        os.kill(${pid}, number)
        print("sent")
    except OSError as error:
        print(errno.errorcode[error.errno])
`)
      assert.match(stdout, /^(?:ESRCH\n){4}$/)
    }
    assert.equal(bystander.exitCode ?? bystander.signalCode, null)
  })

  test('killing everything ends only what is inside', async () => {
    // Were the host's processes within reach, this test would not be the one to end them.
    const script =
      'test "$(ls -d /proc/[0-9]* | wc -l)" -lt 10 || exit 1; sleep 1000 & kill -9 -1; echo survived; kill -9 1; echo still'
    const { code, stdout } = await host.run(['sh', '-c', script])
    assert.deepEqual([code, stdout], [0, 'survived\nstill\n'])
    assert.equal(bystander.exitCode ?? bystander.signalCode, null)
  })

  test('the supervisor’s and other processes’ memory, environment and files cannot be opened', async () => {
    for (const pid of outside())
      for (const name of ['mem', 'environ', 'cwd/', 'root/etc/passwd', 'fd/0', 'maps']) {
        const { stdout } = await cage.sh(`ls /proc/${pid}/${name} 2>&1; head -c 1000 /proc/${pid}/${name} 2>&1`)
        assert.match(stdout, /^(?:.*No such file.*\n)+$/, `${pid} ${name}`)
      }
  })

  test('nothing can be traced, nor its memory or descriptors read', async () => {
    const calls = ['ptrace', 'process_vm_readv', 'process_vm_writev', 'pidfd_getfd', 'kcmp'] as const
    const { stdout } = await cage.python(`${CALL}
for number in (${calls.map(numberOf).join(', ')}):
    for pid in (1, os.getppid(), ${outside().join(', ')}):
        print(call(number, *(16, pid, 0, 0, 0, 0)))
`)
    assert.match(stdout, /^(?:EPERM\n)+$/)
  })

  test('keyrings are closed', async () => {
    const { stdout } = await cage.python(`${CALL}
print(call(${numberOf('add_key')}, b"user", b"agentcage", b"value", 5, -4))
print(call(${numberOf('request_key')}, b"user", b"agentcage", None, 0))
print(call(${numberOf('keyctl')}, 0, -4, 0))
print(open("/proc/keys").read())
`)
    assert.equal(stdout, 'EPERM\nEPERM\nEPERM\n\n')
  })

  test('the supervisor is still what it was', () => {
    assert.match(readFileSync(`/proc/${cage.pid}/status`, 'utf8'), /^State:\s+[SR]/m)
  })
})
