import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { main } from '../../src/cli/main.ts'
import type { Io } from '../../src/cli/io.ts'

export interface CapturedIo {
  readonly io: Io
  /** Ends the streams and returns what was written. */
  readonly written: () => Promise<{ readonly stdout: string; readonly stderr: string }>
}

/** Streams that keep what is written to them. */
export function captureIo(env: Io['env'] = {}): CapturedIo {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const texts = Promise.all([text(stdout), text(stderr)])
  return {
    io: { stdin: new PassThrough().end(), stdout, stderr, env, cwd: () => process.cwd() },
    written: async () => {
      stdout.end()
      stderr.end()
      const [out, err] = await texts
      return { stdout: out, stderr: err }
    },
  }
}

/** Runs one command line in this process. */
export async function cli(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { io, written } = captureIo()
  const code = await main(argv, io)
  return { code, ...(await written()) }
}
