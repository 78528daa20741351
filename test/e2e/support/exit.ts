import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** The exit code and signal of a process, as soon as it has ended. */
export async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode]
  return (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
}

/** Longer than any cage takes to end, in milliseconds. */
const PATIENCE = 60_000

/** The same, of a process that is to end now: it is killed when it does not, so that the test ends. */
export async function endOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  try {
    return await exitOf(child)
  } finally {
    clearTimeout(late)
  }
}
