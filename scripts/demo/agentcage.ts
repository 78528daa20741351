import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Stage } from './stage.ts'

const COMMAND = join(import.meta.dirname, '../../bin/agentcage.ts')

export interface Result {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real command in the project, to its end. What it prints is collected, or goes where ours goes. */
export async function agentcage(
  stage: Stage,
  args: readonly string[],
  { signal, show = false }: { readonly signal: AbortSignal; readonly show?: boolean },
): Promise<Result> {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd: stage.project,
    env: stage.environment,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    signal,
  })
  child.on('error', () => {}) // Said below, once it has really ended: nothing may be removed under its feet.
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  signal.throwIfAborted()
  return { code, stdout, stderr }
}
