import type { Readable, Writable } from 'node:stream'

/** A stream that may be a terminal. `process.stdout` is one; so is a `PassThrough` in a test. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly fd?: number }
export type Input = Readable & { readonly isTTY?: boolean; readonly fd?: number }

/** What a command may touch of the process it runs in. */
export interface Io {
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  cwd(): string
}

/** The streams and environment of this process, with a reader that goes away (`| head`) ending it quietly. */
export function processIo(): Io {
  endWithReader(process.stdout)
  ignoreBrokenPipe(process.stderr)
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: () => process.cwd(),
  }
}

/** Nobody reads the output any more: that is how `agentcage audit -f | head` ends, and it is no failure. */
function endWithReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

/** Messages that cannot be shown must not end a cage that runs. */
function ignoreBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
