import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import type { Mount, WorkloadExit, WorkloadPlan } from '../../../src/isolation/isolation.ts'
import { launchWorkload, type LaunchOptions, type Workload } from '../../../src/isolation/process/launch.ts'
import { openMoat, type Moat } from '../../../src/isolation/process/moat.ts'
import { missingOnThisMachine, missingTools } from '../../support/requires.ts'

/** For `test(name, { skip: withoutCages }, …)`. */
export const withoutCages = missingTools('bwrap', 'nsenter', 'unshare', 'setpriv', 'ip')

/** The same for what Python needs; Debian's python3-minimal lacks modules. */
export function withoutPython(...modules: readonly string[]): string | false {
  const { status } = spawnSync('/usr/bin/python3', ['-c', `import ${modules.join(', ')}`])
  return withoutCages || (status === 0 ? false : missingOnThisMachine(`Python with ${modules.join(', ')}`))
}

export const PROXY = { address: '198.18.0.1', port: 3128 }

/** The host's system read-only, with /proc, /dev and /tmp of the cage's own. */
export const PLAIN_MOUNTS: readonly Mount[] = [
  { kind: 'bind', source: '/', target: '/', writable: false },
  { kind: 'proc', target: '/proc' },
  { kind: 'dev', target: '/dev' },
  { kind: 'tmpfs', target: '/tmp', mode: 0o1777 },
]

export function plainPlan(command: readonly [string, ...string[]], changes: Partial<WorkloadPlan> = {}): WorkloadPlan {
  return {
    command,
    workingDirectory: '/',
    environment: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/tmp' },
    mounts: PLAIN_MOUNTS,
    limits: {},
    ...changes,
  }
}

/** A moat that is closed after the test. */
export async function withMoat(t: Pick<TestContext, 'after'>, tcpPorts: readonly number[] = []): Promise<Moat> {
  const moat = await openMoat({ tcpPorts, proxy: PROXY })
  t.after(() => moat.close())
  return moat
}

/** A workload whose output comes to us; all of its cage is ended after the test. */
export async function withWorkload(
  t: Pick<TestContext, 'after'>,
  plan: WorkloadPlan,
  options: Partial<LaunchOptions> = {},
): Promise<Workload> {
  const workload = await launchWorkload(plan, await withMoat(t), { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  t.after(async () => {
    workload.destroy()
    await workload.exited
  })
  return workload
}

export interface Outcome extends WorkloadExit {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a workload to its end. */
export async function runInCage(
  plan: WorkloadPlan,
  moat: Moat,
  options: Partial<LaunchOptions> = {},
): Promise<Outcome> {
  const workload = await launchWorkload(plan, moat, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const [stdout, stderr, exit] = await Promise.all([read(workload.stdout), read(workload.stderr), workload.exited])
  return { ...exit, stdout, stderr }
}

/** Runs a shell script to its end. */
export function runScript(script: string, moat: Moat, changes: Partial<WorkloadPlan> = {}): Promise<Outcome> {
  return runInCage(plainPlan(['sh', '-c', script], changes), moat)
}

async function read(stream: Workload['stdout']): Promise<string> {
  return stream === undefined ? '' : text(stream)
}
