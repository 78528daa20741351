import { createReadStream, createWriteStream, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { ReadStream } from 'node:tty'
import type { LaunchOptions, StdioEntry } from '../process/launch.ts'

/** Where a session's standard streams go. */
type StreamEntries = LaunchOptions['stdio']

/** Our own streams, and what else there is of this process. */
export interface OwnStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

export interface ConnectedStreams {
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  /** When all that the guest wrote has been passed on, but for pipes. To be awaited after the end of its machine. */
  readonly drained: Promise<unknown>
  /** Leaves our own streams as they were. */
  release(): void
}

/**
 * Connects the ports of a session. They are held back, each by itself, when what they lead to is slow. `onClosed` is
 * called when nobody reads our output any more; it is thrown away from then on.
 */
export function connectStreams(
  [input, output, errors]: readonly [Socket, Socket, Socket],
  {
    entries,
    own,
    onClosed,
  }: { readonly entries: StreamEntries; readonly own: OwnStreams; readonly onClosed: () => void },
): ConnectedStreams {
  const [stdin, stdout, stderr] = entries
  if (stdin === 'ignore') input.end()
  const source = typeof stdin === 'number' ? createReadStream('', { fd: reopened(stdin, 'r') }) : own.stdin
  if (typeof stdin === 'number' || stdin === 'inherit') source.pipe(input)
  const outputs = [
    { socket: output, entry: stdout, stream: own.stdout },
    { socket: errors, entry: stderr, stream: own.stderr },
  ].map(({ socket, entry, stream }) => connectOutput(socket, { entry, own: stream, onClosed }))
  return {
    stdin: stdin === 'pipe' ? input : undefined,
    stdout: stdout === 'pipe' ? output : undefined,
    stderr: stderr === 'pipe' ? errors : undefined,
    drained: Promise.all(outputs),
    release() {
      source.unpipe(input)
      if (stdin === 'inherit') source.pause()
      if (typeof stdin === 'number') source.destroy()
      input.destroy()
    },
  }
}

/** The terminal of a session as ours: what is typed goes in byte by byte, and the guest decides what it means. */
export function connectTerminal(
  socket: Socket,
  { own, onResize }: { readonly own: OwnStreams; readonly onResize: () => void },
): ConnectedStreams {
  const terminal = own.stdin as ReadStream
  terminal.setRawMode(true)
  terminal.pipe(socket)
  own.stdout.on('resize', onResize)
  return {
    stdin: undefined,
    stdout: undefined,
    stderr: undefined,
    drained: connectOutput(socket, { entry: 'inherit', own: own.stdout, onClosed: () => undefined }),
    release() {
      own.stdout.off('resize', onResize)
      terminal.unpipe(socket)
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

function connectOutput(socket: Socket, { entry, own, onClosed }: OutputOptions): Promise<unknown> {
  if (entry === 'pipe') return Promise.resolve() // Whoever reads it sees its end.
  const ended = finished(socket, { writable: false }).catch(() => undefined)
  if (entry === 'ignore') {
    socket.resume()
    return ended
  }
  const target = entry === 'inherit' ? own : createWriteStream('', { fd: reopened(entry, 'a') })
  const onError = (): void => {
    socket.unpipe(target)
    socket.resume()
    onClosed()
  }
  target.once('error', onError)
  socket.pipe(target, { end: false })
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
