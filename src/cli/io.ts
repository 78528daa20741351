import type { Readable, Writable } from 'node:stream'

/** A stream that may be a terminal. `process.stdout` is one; so is a `PassThrough` in a test. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly fd?: number }
export type Input = Readable & {
  readonly isTTY?: boolean
  readonly fd?: number
  /** Terminals only. */
  setRawMode?(raw: boolean): unknown
}

/** What a command may touch of the process it runs in. */
export interface Io {
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  cwd(): string
}
