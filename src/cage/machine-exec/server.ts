import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import * as z from 'zod'
import { CageError } from '../../errors.ts'
import type { GuestSession, SessionRequest } from '../../isolation/session.ts'
import { dataFrames, frame, FrameReader, type Frame } from './frames.ts'

const size = z.strictObject({ rows: z.int().min(0).max(65_535), columns: z.int().min(0).max(65_535) })
const request = z.strictObject({
  command: z.tuple([z.string()], z.string()),
  environment: z.record(z.string(), z.string()),
  workingDirectory: z.string(),
  terminal: size.optional(),
})

type Enter = (request: SessionRequest) => Promise<GuestSession>

/**
 * Lets other processes of this user run commands in a machine that this one has, by a socket at `path`, in a folder that
 * nobody else may enter. A command ends with the connection that it was asked for by.
 */
export async function serveSessions(path: string, enter: Enter): Promise<AsyncDisposable> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', () => undefined)
    new Visitor(socket, enter)
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await rm(path, { force: true })
    },
  }
}

/** One connection: a request, and then the session that came of it. */
class Visitor {
  readonly #socket: Socket
  readonly #enter: Enter
  #session: GuestSession | undefined
  #asked = false
  #isOver = false

  constructor(socket: Socket, enter: Enter) {
    this.#socket = socket
    this.#enter = enter
    const reader = new FrameReader()
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const each of reader.push(bytes)) this.#take(each)
      } catch {
        socket.destroy()
      }
    })
    socket.once('close', () => this.#session?.destroy())
  }

  /** Throws for what was not to come. */
  #take({ kind, content }: Frame): void {
    if (this.#isOver) return // Sent before its sender could know; to end here would lose what is still on its way there.
    if (kind === 'request' && !this.#asked) {
      this.#asked = true
      void this.#run(request.parse(JSON.parse(content.toString())))
      return
    }
    const session = this.#session
    if (session === undefined) throw new RangeError(`${kind} before a command runs`)
    if (kind === 'input') this.#feed(session, content)
    else if (kind === 'signal') session.kill(signalNamed(content.toString()))
    else if (kind === 'size') session.resize(size.parse(JSON.parse(content.toString())))
    else throw new RangeError(`${kind} was not to come`)
  }

  #feed({ input }: GuestSession, content: Buffer): void {
    if (content.length === 0) input.end()
    else if (!input.destroyed) input.write(content, () => void this.#socket.write(frame('taken')))
  }

  async #run(asked: SessionRequest): Promise<void> {
    try {
      const session = await this.#enter(asked)
      this.#session = session
      session.input.on('error', () => undefined)
      if (this.#socket.destroyed) session.destroy()
      this.#socket.write(frame('begun'))
      const outputs = [this.#pass('output', session.output), this.#pass('errors', session.errors)]
      const [exit] = await Promise.allSettled([session.exited, ...outputs])
      if (exit.status === 'rejected') throw exit.reason
      this.#socket.end(frame('exit', String(exit.value.code)))
    } catch (error) {
      const { message, hint } = error instanceof CageError ? error : { message: String(error), hint: undefined }
      this.#socket.end(frame('failure', JSON.stringify({ message, hint })))
    } finally {
      this.#isOver = true
      this.#session = undefined
    }
  }

  /** What nobody takes any more is read all the same, so that the session ends. */
  async #pass(kind: 'output' | 'errors', stream: Readable | undefined): Promise<void> {
    for await (const chunk of (stream ?? []) as AsyncIterable<Buffer>) {
      if (!this.#socket.destroyed && !this.#socket.write(dataFrames(kind, chunk))) await this.#writable()
    }
  }

  async #writable(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.once('drain', resolve).once('close', () => resolve())
    })
  }
}

function signalNamed(name: string): NodeJS.Signals {
  if (!Object.hasOwn(constants.signals, name)) throw new RangeError(`no signal is called ${name}`)
  return name as NodeJS.Signals
}
