import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  /**
   * It took too long, or `signal` was given; it and what it started are gone. `waitedFor`: the program
   * itself, or, when that had ended, something that it left behind and that held its output open.
   */
  | { readonly kind: 'stopped'; readonly waitedFor: 'itself' | 'what it started' }
  | { readonly kind: 'not started'; readonly cause: Error }

export interface CapturedProgram {
  readonly end: ProgramEnd
  readonly stdout: Buffer
  readonly stderr: Buffer
}

export interface CaptureOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  /** Milliseconds until it is stopped. */
  readonly timeout: number
  /** Of each output, in bytes; what comes after is dropped. */
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs a program to its end and returns what it wrote. It has no input, and a session of its own, so that it has no
 * terminal to read passwords from, and what it started in its process group can be stopped with it. Never throws.
 */
export async function captureProgram(
  file: string,
  args: readonly string[],
  options: CaptureOptions,
): Promise<CapturedProgram> {
  const { maxBytes } = options
  const child = start(file, args, options)
  if (child instanceof Error)
    return { end: { kind: 'not started', cause: child }, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  const stdout = collect(child.stdout, maxBytes)
  const stderr = collect(child.stderr, maxBytes)
  const end = await endOf(child, options)
  return { end, stdout: stdout(), stderr: stderr() }
}

/** The error of a start that fails at once: arguments that are too long (E2BIG), or that no program can be given. */
function start(
  file: string,
  args: readonly string[],
  { environment, workingDirectory }: CaptureOptions,
): ChildProcessByStdio<null, Readable, Readable> | Error {
  try {
    return spawn(file, args, {
      cwd: workingDirectory,
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function collect(stream: NodeJS.ReadableStream, maxBytes: number): () => Buffer {
  const chunks: Buffer[] = []
  let room = maxBytes
  stream.on('data', (chunk: Buffer) => {
    if (room > 0) chunks.push(chunk.subarray(0, room))
    room -= chunk.length
  })
  stream.on('error', () => {})
  return () => Buffer.concat(chunks)
}

function endOf(child: ChildProcess, { timeout, signal }: CaptureOptions): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const finish = (end: ProgramEnd): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      resolve(end)
    }
    const stop = (): void => {
      const hasEnded = child.exitCode !== null || child.signalCode !== null
      killGroup(child)
      child.stdout?.destroy()
      child.stderr?.destroy()
      finish({ kind: 'stopped', waitedFor: hasEnded ? 'what it started' : 'itself' })
    }
    const timer = setTimeout(stop, timeout)
    signal?.addEventListener('abort', stop, { once: true })
    child.once('error', (cause) => {
      if (child.pid === undefined) finish({ kind: 'not started', cause })
    })
    child.once('close', (code, killer) =>
      finish(code === null ? { kind: 'signal', signal: killer ?? 'unknown' } : { kind: 'exit', code }),
    )
    if (signal?.aborted === true) stop()
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody of the group is left.
  }
}
