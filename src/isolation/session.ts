import type { Readable, Writable } from 'node:stream'
import type { WorkloadExit } from './isolation.ts'

/** A command for a machine that runs. */
export interface SessionRequest {
  readonly command: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string>>
  readonly workingDirectory: string
  /** Of the terminal that the command is to have; absent: it has pipes. */
  readonly terminal?: TerminalSize | undefined
}

export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

/** A command that runs in a machine, or a terminal there. */
export interface GuestSession {
  readonly terminal: boolean
  readonly input: Writable
  readonly output: Readable
  /** undefined with a terminal. */
  readonly errors: Readable | undefined
  /** When it has ended and all that it wrote is in `output` and `errors`. */
  readonly exited: Promise<WorkloadExit>
  /** False when it has ended. */
  kill(signal: NodeJS.Signals): boolean
  resize(size: TerminalSize): void
  /** Ends it and what it started. */
  destroy(): void
}
