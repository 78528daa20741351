import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findTool } from '../../test/support/requires.ts'
import { asUser, lab, startInLab } from './lab.ts'

let internet: ChildProcess | undefined

/** Boots the lab for all tests of a run, with an image for agents and an internet of its own. */
export async function globalSetup(): Promise<void> {
  const missing = ['mmdebstrap', 'unshare', 'nsenter', 'setpriv', 'ip'].filter((name) => findTool(name) === undefined)
  if (missing.length > 0)
    throw new Error(`missing: ${missing.join(', ')}. Debian: apt-get install -y mmdebstrap util-linux iproute2`)
  if (process.geteuid?.() !== 0) throw new Error('the lab has devices and namespaces of its own: run it as root')
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../scripts/build.ts')])
  const { code, stderr } = await lab('up')
  if (code !== 0) throw new Error(stderr)
  internet = startInLab('e2e/support/internet.ts')
  if (internet.stdout !== null) await once(internet.stdout, 'data')
  await asUser('/project/e2e/lab/agent-image.sh')
}

export async function globalTeardown(): Promise<void> {
  await lab('down')
  const isThere = internet !== undefined && internet.exitCode === null && internet.signalCode === null
  if (internet !== undefined && isThere) await once(internet, 'exit')
}
