/*
 * Limits are held by the best means the host has, and a warning names each that is not. Where memory can be limited, a
 * workload that takes more is ended; a fork bomb runs into its limit while the host goes on. Nothing stays behind.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { WorkloadLimits } from '../../../src/isolation/isolation.ts'
import { ownControlGroup } from '../../../src/isolation/process/limits-cgroup.ts'
import { applyLimits, thisHost, type AppliedLimits } from '../../../src/isolation/process/limits.ts'
import { plainPlan, runInCage, withMoat, withoutCages, withoutPython, type Outcome } from './real-cage.ts'

const skip = withoutPython('os')
const MEBIBYTE = 1_048_576

async function runLimited(
  t: TestContext,
  limits: WorkloadLimits,
  script: string,
): Promise<Outcome & { readonly applied: AppliedLimits }> {
  const applied = await applyLimits(limits)
  t.after(() => applied.cleanup())
  const plan = plainPlan(['/usr/bin/python3', '-c', script])
  return { ...(await runInCage(plan, await withMoat(t), { limits: applied })), applied }
}

const FORKS = `
import os, time
made = 0
try:
    while made < 400:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError as error:
    print(type(error).__name__)
print(made)`

test('a fork bomb runs into the limit of processes', { skip }, async (t) => {
  const { stdout, applied } = await runLimited(t, { pids: 64 }, FORKS)
  if (applied.warnings.length > 0) return t.skip(`not held here: ${applied.warnings.join()}`)
  const [problem, made] = stdout.trim().split('\n')
  assert.equal(problem, 'BlockingIOError')
  assert.ok(Number(made) >= 40 && Number(made) < 64, made)
})

test('a workload that takes more memory than its limit is ended, one that does not is not', { skip }, async (t) => {
  const script = (mebibytes: number): string => `x = bytearray(${mebibytes} << 20); print(len(x) >> 20)`
  const { code, stdout, applied } = await runLimited(t, { memory: 128 * MEBIBYTE }, script(256))
  if (applied.warnings.length > 0) return t.skip(`not held here: ${applied.warnings.join()}`)
  assert.deepEqual([code, stdout], [137, ''])
  const modest = await runLimited(t, { memory: 128 * MEBIBYTE }, script(32))
  assert.deepEqual([modest.code, modest.stdout.trim()], [0, '32'])
})

test('control groups are gone after the run', { skip: withoutCages }, async (t) => {
  const applied = await applyLimits({ memory: 64 * MEBIBYTE, pids: 64 })
  const folders = applied.wrap(['/bin/true']).filter((part) => part.startsWith('/sys/fs/cgroup/'))
  for (const folder of folders) assert.ok(existsSync(folder))
  assert.equal((await runInCage(plainPlan(['true']), await withMoat(t), { limits: applied })).code, 0)
  await applied.cleanup()
  assert.deepEqual(
    folders.filter((folder) => existsSync(folder)),
    [],
  )
})

test(
  'control groups that wait for their workload are left alone by who cannot see their owner',
  { skip: withoutCages },
  async (t) => {
    const applied = await applyLimits({ pids: 64 })
    t.after(() => applied.cleanup())
    const folders = applied.wrap(['/bin/true']).filter((part) => part.startsWith('/sys/fs/cgroup/'))
    const unshare = ['--pid', '--fork', '--mount-proc', process.execPath, '--input-type=module', '-e', OTHERS]
    const { status, stderr } = spawnSync('unshare', unshare, { encoding: 'utf8', cwd: import.meta.dirname })
    if (folders.length === 0 || status !== 0) return t.skip(`control groups are not ours to make here: ${stderr}`)
    for (const folder of folders) assert.ok(existsSync(folder))
  },
)

/** Makes groups of its own, beside the first ones. */
const OTHERS = `
import { applyLimits } from '${join(import.meta.dirname, '../../../src/isolation/process/limits.ts')}'
const applied = await applyLimits({ pids: 64 })
if (applied.warnings.length > 0) throw new Error(applied.warnings.join())
await applied.cleanup()`

test('no limits, nothing around the command and nothing to warn of', async () => {
  const applied = await applyLimits({})
  assert.deepEqual(applied.wrap(['/bin/true', 'a']), ['/bin/true', 'a'])
  assert.deepEqual([applied.processLimit, applied.warnings], [0, []])
  await applied.cleanup()
})

test('RLIMIT_NPROC is for users, on kernels that count it for each user namespace', async () => {
  const limitFor = async (uid: number, kernel: string): Promise<number> => {
    const applied = await applyLimits({ pids: 100 }, { ...thisHost(), environment: {}, uid, kernel })
    await applied.cleanup()
    return applied.processLimit
  }
  assert.equal(await limitFor(1000, '6.1.0-13-amd64'), 100)
  assert.equal(await limitFor(1000, '5.14.0'), 100)
  assert.equal(await limitFor(1000, '5.10.0-30-amd64'), 0)
  assert.equal(await limitFor(0, '6.1.0'), 0)
})

test('our control group is found in each arrangement of hierarchies', () => {
  const unified = '31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n'
  const memory1 = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n'
  const bound = '36 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n'
  const own = (membership: string, mounts: string): string | undefined =>
    ownControlGroup('memory', { membership, mounts })?.folder
  assert.equal(own('0::/user.slice/session-1.scope\n', unified), '/sys/fs/cgroup/user.slice/session-1.scope')
  assert.equal(own('4:memory:/a/b\n0::/\n', memory1), '/sys/fs/cgroup/memory/a/b')
  assert.equal(own('4:cpu,memory:/docker/abc/sub\n0::/\n', bound), '/sys/fs/cgroup/memory/sub')
  assert.equal(own('4:memory:/docker/abcd\n', bound), undefined)
  assert.equal(own('4:memory:/a\n', unified), undefined)
  assert.equal(own('0::/../outside\n', unified), undefined)
  assert.equal(own('', unified), undefined)
})
