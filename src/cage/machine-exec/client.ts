import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import * as z from 'zod'
import { CageError } from '../../errors.ts'
import type { WorkloadExit } from '../../isolation/isolation.ts'
import type { GuestSession, SessionRequest, TerminalSize } from '../../isolation/session.ts'
import { frame, FrameReader, LARGEST_DATA, type Frame } from './frames.ts'

const failure = z.object({ message: z.string(), hint: z.string().optional() })
const GONE = 'the machine ended before the command did'

/**
 * Runs a command in the machine of the supervisor that listens at `path`. Throws `workload_failed` when it does not begin;
 * `signal` ends it.
 */
export async function enterMachine(path: string, request: SessionRequest, signal?: AbortSignal): Promise<GuestSession> {
  signal?.throwIfAborted()
  const socket = connect(path)
  socket.on('error', () => undefined) // Its end, which comes too, is what counts.
  signal?.addEventListener('abort', () => socket.destroy(), { once: true })
  const session = new RemoteSession(socket, request.terminal !== undefined)
  socket.write(frame('request', JSON.stringify(request)))
  await session.begun
  return session
}

/** A session seen through a connection, which it ends with. */
class RemoteSession implements GuestSession {
  readonly terminal: boolean
  readonly input: Writable
  readonly output = new PassThrough()
  readonly errors: PassThrough | undefined
  readonly begun: Promise<void>
  readonly exited: Promise<WorkloadExit>
  readonly #socket: Socket
  readonly #reader = new FrameReader()
  readonly #begin = Promise.withResolvers<void>()
  readonly #end = Promise.withResolvers<WorkloadExit>()
  readonly #taken: (() => void)[] = []

  constructor(socket: Socket, terminal: boolean) {
    this.#socket = socket
    this.terminal = terminal
    this.errors = terminal ? undefined : new PassThrough()
    this.input = this.#makeInput()
    this.begun = this.#begin.promise
    this.exited = this.#end.promise.finally(() => this.#close())
    for (const promise of [this.begun, this.exited]) promise.catch(() => undefined) // Whoever awaits it learns it.
    socket.on('data', (bytes: Buffer) => this.#hear(bytes))
    socket.once('close', () => this.#fail(new CageError('workload_failed', GONE)))
  }

  kill(signal: NodeJS.Signals): boolean {
    return !this.#socket.destroyed && (this.#socket.write(frame('signal', signal)), true)
  }

  resize({ rows, columns }: TerminalSize): void {
    if (!this.#socket.destroyed) this.#socket.write(frame('size', JSON.stringify({ rows, columns })))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** One piece at a time: what waits to be read must not stand before a signal. */
  #makeInput(): Writable {
    const socket = this.#socket
    const send = async (chunk: Buffer): Promise<void> => {
      for (let start = 0; start < chunk.length && !socket.destroyed; start += LARGEST_DATA) {
        const taken = new Promise<void>((resolve) => void this.#taken.push(resolve))
        socket.write(frame('input', chunk.subarray(start, start + LARGEST_DATA)))
        await taken
      }
    }
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => void send(chunk).then(() => done(), done),
      final: (done) => {
        if (!socket.destroyed) socket.write(frame('input'))
        done()
      },
    })
  }

  #hear(bytes: Buffer): void {
    try {
      for (const each of this.#reader.push(bytes)) this.#take(each)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #take({ kind, content }: Frame): void {
    switch (kind) {
      case 'begun':
        return this.#begin.resolve()
      case 'taken':
        return this.#taken.shift()?.()
      case 'output':
        return this.#pass(this.output, content)
      case 'errors':
        return this.#pass(this.errors, content)
      case 'exit':
        return this.#end.resolve({ code: Number(content.toString()) })
      case 'failure': {
        const { message, hint } = failure.parse(JSON.parse(content.toString()))
        return this.#fail(new CageError('workload_failed', message, hint === undefined ? {} : { hint }))
      }
      default:
        throw new RangeError(`${kind} was not to come`)
    }
  }

  #pass(stream: PassThrough | undefined, content: Buffer): void {
    if (stream === undefined || stream.destroyed || stream.write(content)) return
    this.#socket.pause()
    void once(stream, 'drain').then(
      () => this.#socket.resume(),
      () => this.#socket.resume(),
    )
  }

  #fail(error: Error): void {
    this.#begin.reject(error)
    this.#end.reject(error)
    this.#close()
  }

  #close(): void {
    this.output.end()
    this.errors?.end()
    this.#taken.splice(0).forEach((resolve) => resolve())
    this.#socket.destroy()
  }
}
