/*
 * What is mounted is what was planned. bubblewrap finds sources by path, and the workload of another cage may exchange
 * what lies there while this one is made: a cage that got something else is ended before its command runs.
 */
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import type { Mount } from '../../../src/isolation/isolation.ts'
import { expectMounts, verifyMounts } from '../../../src/isolation/process/launch-mounts.ts'
import { launchWorkload } from '../../../src/isolation/process/launch.ts'
import { PLAIN_MOUNTS, plainPlan, runInCage, withMoat, withoutCages, withWorkload } from './real-cage.ts'

const skip = withoutCages

const refused = (error: unknown): boolean => error instanceof CageError && error.code === 'mount_refused'

/** A folder that is planned to be mounted, and one that is not to be touched. */
function withFolders(t: TestContext): { readonly work: string; readonly home: string; readonly swap: () => void } {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'agentcage swap-')))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const [work, home] = [join(base, 'work'), join(base, 'home')]
  for (const folder of [work, home]) mkdirSync(folder)
  writeFileSync(join(work, 'file'), '')
  const swap = (): void => {
    renameSync(work, `${work}-away`)
    symlinkSync(home, work)
  }
  return { work, home, swap }
}

const bind = (source: string, target: string, writable = true): Mount => ({ kind: 'bind', source, target, writable })

test('a folder that has become a symbolic link since the plan is refused', { skip }, async (t) => {
  const { work, home, swap } = withFolders(t)
  const plan = plainPlan(['touch', '/tmp/work/taken'], { mounts: [...PLAIN_MOUNTS, bind(work, '/tmp/work')] })
  swap()
  await assert.rejects(launchWorkload(plan, await withMoat(t), { stdio: ['ignore', 'pipe', 'pipe'] }), refused)
  await assert.rejects(
    launchWorkload({ ...plan, mounts: [...PLAIN_MOUNTS, bind(join(work, 'sub'), '/tmp/work')] }, await withMoat(t), {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
    CageError,
  )
  assert.deepEqual(readdirSync(home), [])
})

test('a folder that becomes a symbolic link while the cage is made ends it before its command', { skip }, async (t) => {
  const { work, home, swap } = withFolders(t)
  const plan = plainPlan(['touch', '/tmp/work/taken'], { mounts: [...PLAIN_MOUNTS, bind(work, '/tmp/work')] })
  const moat = await withMoat(t)
  const launching = launchWorkload(plan, moat, { stdio: ['ignore', 'pipe', 'pipe'] })
  swap() // The launcher has been started; it cannot have got an answer from us.
  await assert.rejects(launching, (error) => refused(error) && /\/tmp\/work changed/.test(String(error)))
  assert.deepEqual(readdirSync(home), [])
})

test('what is mounted is compared by what it is, where it is and how', { skip }, async (t) => {
  const { work, home } = withFolders(t)
  const file = join(work, 'file')
  const mounts: readonly Mount[] = [
    ...PLAIN_MOUNTS,
    bind(home, '/tmp/hidden'),
    { kind: 'tmpfs', target: '/tmp' },
    bind(work, '/tmp/a b\\'),
    bind(file, '/tmp/a b\\/file', false),
    { kind: 'mask', target: '/etc/passwd', over: 'file' },
    { kind: 'symlink', target: '/tmp/link', to: 'real' },
    bind(home, '/tmp/real/home'),
  ]
  const workload = await withWorkload(t, plainPlan(['sleep', '1000'], { mounts }))
  const pid = workload.pid ?? 0
  const check = (others: readonly Mount[]) => (): void => verifyMounts(expectMounts(others), pid)
  check(mounts)()
  check([...mounts, bind(home, '/tmp/link/home')])()
  for (const wrong of [
    bind(home, '/tmp/a b\\'),
    bind(work, '/tmp/a b\\', false),
    bind(work, '/tmp/other'),
    bind(file, '/tmp/real/home'),
    { kind: 'mask', target: '/etc/group', over: 'file' },
    { kind: 'mask', target: '/tmp/real/home', over: 'directory' },
  ] as const satisfies readonly Mount[]) {
    assert.throws(
      check([...mounts.filter(({ target }) => target !== wrong.target), wrong]),
      refused,
      JSON.stringify(wrong),
    )
  }
})

test('/dev takes no files, and what is below it works', { skip }, async (t) => {
  const mounts: readonly Mount[] = [
    ...PLAIN_MOUNTS,
    { kind: 'tmpfs', target: '/dev/shm', mode: 0o1777, sizeBytes: 1 << 20 },
  ]
  const script =
    ': >/dev/file || echo no file; mkdir /dev/folder || echo no folder; echo x >/dev/null; echo x >/dev/shm/x; ls /dev/pts /dev/shm'
  const { stdout } = await runInCage(plainPlan(['bash', '-c', script], { mounts }), await withMoat(t))
  assert.deepEqual(stdout.split('\n').filter(Boolean), ['no file', 'no folder', '/dev/pts:', 'ptmx', '/dev/shm:', 'x'])
})
