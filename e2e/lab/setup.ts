import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findTool } from '../../test/support/requires.ts'
import { LABS, runLab, startInLab } from './lab.ts'

let running: readonly ChildProcess[] = []

/** Boots the labs for all tests of a run, each with an image for agents, an internet of its own and the egress's image. */
export async function globalSetup(): Promise<void> {
  await startLabs(LABS)
  await Promise.all(numbers(LABS).map((number) => succeed(number, 'exec', '/project/e2e/lab/egress-image.sh')))
}

export async function globalTeardown(): Promise<void> {
  await stopLabs()
}

/** As `globalSetup`, without an image of the egress. Standard output of what plays the internet is left open. */
export async function startLabs(count: number): Promise<void> {
  const missing = ['mmdebstrap', 'unshare', 'nsenter', 'setpriv', 'ip'].filter((name) => findTool(name) === undefined)
  if (missing.length > 0)
    throw new Error(`missing: ${missing.join(', ')}. Debian: apt-get install -y mmdebstrap util-linux iproute2`)
  if (process.geteuid?.() !== 0) throw new Error('the lab has devices and namespaces of its own: run it as root')
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../scripts/build.ts')])
  await succeed(1, 'build')
  running = await Promise.all(numbers(count).map(startLab))
}

export async function stopLabs(): Promise<void> {
  await Promise.all(numbers(running.length).map((number) => runLab(number, ['down'])))
  for (const internet of running)
    if (internet.exitCode === null && internet.signalCode === null) await once(internet, 'exit')
}

async function startLab(number: number): Promise<ChildProcess> {
  await succeed(number, 'up')
  const internet = await startInLab('e2e/support/internet.ts', number)
  if (internet.stdout !== null) await once(internet.stdout, 'data')
  await succeed(number, 'exec', '/project/e2e/lab/agent-image.sh')
  return internet
}

async function succeed(number: number, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runLab(number, args)
  if (code !== 0) throw new Error(`lab ${args[0]} ended with ${code}\n${stdout}\n${stderr}`)
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
