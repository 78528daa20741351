import { spawn, type ChildProcess } from 'node:child_process'

/** How a host program ended. */
export interface ProgramResult {
  /** Exit code; undefined when a signal ended it or it could not be started. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  /** At most 64 KiB each, decoded as UTF-8; the rest is dropped. */
  readonly stdout: string
  readonly stderr: string
  /** Why it could not be started. */
  readonly error: Error | undefined
}

export interface ProgramOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string | undefined
  /** Milliseconds until it is killed; default 10 000. */
  readonly timeout?: number | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/** Runs a host program to its end, without a shell. Never throws: how it went is in the result. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.environment ?? process.env,
    timeout: options.timeout ?? 10_000,
    killSignal: 'SIGKILL',
    ...(options.signal && { signal: options.signal }),
  })
  child.stdin.on('error', () => undefined) // EPIPE: it ended without reading all of its input
  child.stdin.end(options.input ?? '')
  const stdout = boundedText(child.stdout)
  const stderr = boundedText(child.stderr)
  const { code, signal, error } = await ended(child)
  return { code, signal, stdout: stdout(), stderr: stderr(), error }
}

/** Collects what a stream says, up to `limit` bytes, and keeps it flowing after that. */
export function boundedText(stream: NodeJS.ReadableStream, limit = 65_536): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size))
    size += chunk.length
  })
  stream.on('error', () => undefined)
  return () => Buffer.concat(chunks).toString('utf8')
}

function ended(child: ChildProcess): Promise<Pick<ProgramResult, 'code' | 'signal' | 'error'>> {
  return new Promise((resolve) => {
    let error: Error | undefined
    child.once('error', (cause) => {
      error = cause
      if (child.pid === undefined) resolve({ code: undefined, signal: undefined, error })
    })
    child.once('close', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined, error }))
  })
}
