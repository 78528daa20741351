import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** The exit code and signal of a process, as soon as it has ended. */
export async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode]
  return (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
}
