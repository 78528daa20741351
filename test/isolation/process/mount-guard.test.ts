/*
 * What keeps a file from the workload is a mount over it, and the kernel takes that away when somebody outside of the
 * cage replaces the file. It is put back at once; where it cannot be, and where the workload made git run something in
 * the moment between, that is told while the cage runs.
 */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Mount } from '../../../src/isolation/isolation.ts'
import { PLAIN_MOUNTS, plainPlan, withoutCages, withWorkload } from './real-cage.ts'

const skip = withoutCages

interface Guarded {
  readonly folder: string
  readonly config: string
  /** The first warning. */
  readonly warned: Promise<string>
  /** When the workload has seen that it may not write. */
  readonly protectedAgain: (path?: string) => Promise<void>
}

/** A workload that may write a project, but for `config` and `hooks` in a folder of it, which it may not move. */
async function withGuarded(t: TestContext): Promise<Guarded> {
  const project = realpathSync(mkdtempSync(join(tmpdir(), "agentcage guard' ")))
  t.after(() => rmSync(project, { recursive: true, force: true }))
  const folder = join(project, '.git')
  const [config, hooks] = [join(folder, 'config'), join(folder, 'hooks')]
  mkdirSync(hooks, { recursive: true })
  writeFileSync(config, '[core]\n\tpager = less\n')
  const bind = (source: string, writable: boolean): Mount => ({ kind: 'bind', source, target: source, writable })
  const mounts = [...PLAIN_MOUNTS, bind(project, true), bind(folder, true), bind(config, false), bind(hooks, false)]
  const script = 'while read -r path; do while test -w "$path"; do sleep 0.02; done; echo protected; done'
  const warning = Promise.withResolvers<string>()
  const workload = await withWorkload(t, plainPlan(['sh', '-c', script], { mounts }), {
    stdio: ['pipe', 'pipe', 'pipe'],
    log: warning.resolve,
  })
  const protectedAgain = async (path = config): Promise<void> => {
    const answer = new Promise((resolve) => void workload.stdout?.once('data', resolve))
    workload.stdin?.write(`${path}\n`)
    await answer
  }
  return { folder, config, warned: warning.promise, protectedAgain }
}

test('a file that is replaced again and again is protected each time', { skip }, async (t) => {
  const { folder, config, protectedAgain } = await withGuarded(t)
  for (let round = 0; round < 3; round++) {
    writeFileSync(join(folder, 'new'), '')
    renameSync(join(folder, 'new'), config)
    await protectedAgain()
  }
  rmSync(config)
  writeFileSync(config, '')
  await protectedAgain()
})

test('a folder that is replaced is protected with what lies in it', { skip }, async (t) => {
  const { folder, config, protectedAgain } = await withGuarded(t)
  cpSync(folder, `${folder}-new`, { recursive: true })
  renameSync(folder, `${folder}-old`)
  renameSync(`${folder}-new`, folder)
  await protectedAgain()
  await protectedAgain(join(folder, 'hooks'))
  writeFileSync(join(folder, 'new'), '')
  renameSync(join(folder, 'new'), config)
  await protectedAgain()
})

test('what git would run of a file that was replaced is told while the cage runs', { skip }, async (t) => {
  const { folder, config, warned, protectedAgain } = await withGuarded(t)
  // A second name, as the workload can make in the moment in which it may write.
  writeFileSync(join(folder, 'new'), '[core]\n\tpager = less\n')
  linkSync(join(folder, 'new'), join(folder, 'second'))
  renameSync(join(folder, 'new'), config)
  await protectedAgain()
  appendFileSync(join(folder, 'second'), '\tfsmonitor = planted\n')
  assert.match(await warned, /config was replaced while the cage runs, and makes git run core\.fsmonitor=planted/)
})

test('what cannot be protected again is told', { skip }, async (t) => {
  const { folder, config, warned } = await withGuarded(t)
  symlinkSync('/etc', join(folder, 'link'))
  renameSync(join(folder, 'link'), config)
  assert.match(await warned, /config was replaced outside of the cage and is NOT protected any more/)
})
