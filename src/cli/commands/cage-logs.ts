import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { backendOf } from '../../cage/backends.ts'
import { readDeploymentRecord, unknownCage } from '../../cage/deployment.ts'
import { ALL_PARTS } from '../../cage/lifecycle.ts'
import { CageError } from '../../errors.ts'
import { userManager } from '../../isolation/systemd/user-manager.ts'
import { findProgram } from '../../system/process.ts'
import type { Io } from '../io.ts'
import type { CageLogsFlags } from '../routes/cage-look.ts'

/** `agentcage cage logs NAME`: journalctl with what selects the cage's parts. */
export async function cageLogs(flags: CageLogsFlags, [name]: readonly [string], io: Io): Promise<number> {
  const record = await readDeploymentRecord(name, io.env)
  if (record === undefined) throw unknownCage(name)
  const journalctl = findProgram('journalctl')
  if (journalctl === undefined) throw new CageError('host_unsupported', 'journalctl is not installed (package systemd)')
  const selection = (await backendOf(record.isolation)).journal(name, flags.service ?? ALL_PARTS)
  const args = [
    '--user',
    '--no-pager',
    '--quiet',
    ...selection,
    ...(flags.lines === 0 ? [] : ['--lines', String(flags.lines)]),
    ...(flags.follow ? ['--follow'] : []),
    ...(flags.since === undefined ? [] : [`--since=${sinceText(flags.since)}`]),
  ]
  const child = spawn(journalctl, args, { stdio: ['ignore', 'pipe', 'inherit'], env: userManager(io.env).environment })
  child.stdout.pipe(io.stdout, { end: false })
  const [code] = (await once(child, 'close')) as [number | null]
  return code === 0 || code === null ? 0 : 1
}

/** `30m` and `7d`, as elsewhere in agentcage, beside what journalctl understands by itself. */
function sinceText(text: string): string {
  const short = /^(\d{1,6})([smhd])$/.exec(text)
  return short === null ? text : `-${short[1]}${short[2]}`
}
