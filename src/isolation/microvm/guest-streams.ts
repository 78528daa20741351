import { createReadStream, createWriteStream, openSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { ReadStream } from 'node:tty'
import type { WorkloadExit } from '../isolation.ts'
import type { LaunchOptions, StdioEntry, Workload } from '../process/launch.ts'
import type { GuestSession, TerminalSize } from '../session.ts'

/** Where a session's standard streams go. */
type StreamEntries = LaunchOptions['stdio']

/** Our own streams, and what else there is of this process. */
export interface OwnStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

/**
 * A session as a workload whose standard streams go where ours do, or to us. They are held back, each by itself, when
 * what they lead to is slow. Who reads our output may go: the command is told by SIGPIPE, and the rest thrown away.
 */
export function connectSession(
  session: GuestSession,
  { stdio, own }: { readonly stdio: StreamEntries; readonly own: OwnStreams },
): Workload {
  const connected = session.terminal ? connectTerminal(session, own) : connectPipes(session, { stdio, own })
  const [stdin, stdout, stderr] = session.terminal ? [] : stdio
  return {
    pid: undefined,
    terminal: session.terminal,
    stdin: stdin === 'pipe' ? session.input : undefined,
    stdout: stdout === 'pipe' ? session.output : undefined,
    stderr: stderr === 'pipe' ? session.errors : undefined,
    exited: whenEnded(session, connected),
    kill: (signal) => session.kill(signal),
    destroy: () => session.destroy(),
  }
}

/** A terminal that does not tell its size is taken for the smallest usual one. */
export function sizeOf({ stdout }: Pick<OwnStreams, 'stdout'>): TerminalSize {
  const { rows, columns } = stdout as { readonly rows?: number; readonly columns?: number }
  return { rows: rows || 24, columns: columns || 80 }
}

interface Connected {
  /** When all that the guest wrote has been passed on, but for pipes. To be awaited after the end of the session. */
  readonly drained: Promise<unknown>
  /** Leaves our own streams as they were. */
  release(): void
}

function whenEnded(session: GuestSession, connected: Connected): Promise<WorkloadExit> {
  const ending = async (): Promise<WorkloadExit> => {
    try {
      return await session.exited
    } finally {
      await connected.drained
      connected.release()
    }
  }
  const exited = ending()
  exited.catch(() => undefined) // Whoever awaits it learns it.
  return exited
}

function connectPipes(
  session: GuestSession,
  { stdio, own }: { readonly stdio: StreamEntries; readonly own: OwnStreams },
): Connected {
  const { input, output, errors = output } = session
  const [stdin, stdout, stderr] = stdio
  if (stdin === 'ignore') input.end()
  input.on('error', () => undefined) // The session ended, which is what counts.
  const source = typeof stdin === 'number' ? createReadStream('', { fd: reopened(stdin, 'r') }) : own.stdin
  if (typeof stdin === 'number' || stdin === 'inherit') source.pipe(input)
  const outputs = [
    { stream: output, entry: stdout, own: own.stdout },
    { stream: errors, entry: stderr, own: own.stderr },
  ].map(({ stream, ...rest }) => connectOutput(stream, { ...rest, onClosed: () => void session.kill('SIGPIPE') }))
  return {
    drained: Promise.all(outputs),
    release() {
      source.unpipe(input)
      if (stdin === 'inherit') source.pause()
      if (typeof stdin === 'number') source.destroy()
    },
  }
}

/** The terminal of a session as ours: what is typed goes in byte by byte, and the guest decides what it means. */
function connectTerminal(session: GuestSession, own: OwnStreams): Connected {
  const terminal = own.stdin as ReadStream
  const onResize = (): void => session.resize(sizeOf(own))
  terminal.setRawMode(true)
  terminal.pipe(session.input)
  own.stdout.on('resize', onResize)
  return {
    drained: connectOutput(session.output, { entry: 'inherit', own: own.stdout, onClosed: () => undefined }),
    release() {
      own.stdout.off('resize', onResize)
      terminal.unpipe(session.input)
      terminal.setRawMode(false)
      terminal.pause()
    },
  }
}

interface OutputOptions {
  readonly entry: StdioEntry
  /** What `inherit` stands for. */
  readonly own: Writable
  readonly onClosed: () => void
}

function connectOutput(stream: Readable, { entry, own, onClosed }: OutputOptions): Promise<unknown> {
  if (entry === 'pipe') return Promise.resolve() // Whoever reads it sees its end.
  const ended = finished(stream, { writable: false }).catch(() => undefined)
  if (entry === 'ignore') {
    stream.resume()
    return ended
  }
  const target = entry === 'inherit' ? own : createWriteStream('', { fd: reopened(entry, 'a') })
  const onError = (): void => {
    stream.unpipe(target)
    stream.resume()
    onClosed()
  }
  target.once('error', onError)
  stream.pipe(target, { end: false })
  return ended.then(async () => {
    await written(target)
    target.off('error', onError)
    if (target !== own) target.end()
  })
}

/** When what was written before has left this process, or cannot. */
function written(target: Writable): Promise<void> {
  return new Promise((resolve) => void target.write('', () => resolve()))
}

/** A descriptor of our own for what the caller has open, who may close his as soon as the command runs. */
function reopened(descriptor: number, flags: 'r' | 'a'): number {
  return openSync(`/proc/self/fd/${descriptor}`, flags)
}
