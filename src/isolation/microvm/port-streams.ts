import type { Socket } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { CageError } from '../../errors.ts'

/** Most content of a piece of input. */
const LARGEST_PIECE = 65_536
/** How long a guest may be silent that owes output, in milliseconds. */
const SILENCE = 120_000

/**
 * What a session reads, by a port that outlives it: each piece after its length in a line, the last one empty. Ended or
 * destroyed, it says that this was all.
 */
export function portInput(socket: Socket): Writable {
  let isOver = false
  const finish = (): void => {
    if (!isOver && !socket.destroyed) socket.write('0\n')
    isOver = true
  }
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (socket.destroyed) return done()
      const starts = Array.from(
        { length: Math.ceil(chunk.length / LARGEST_PIECE) },
        (_, index) => index * LARGEST_PIECE,
      )
      const pieces = starts.map((start) => chunk.subarray(start, start + LARGEST_PIECE))
      const framed = pieces.flatMap((piece) => [Buffer.from(`${piece.length}\n`), piece])
      socket.write(Buffer.concat(framed), () => done())
    },
    final(done) {
      finish()
      done()
    },
    destroy(error, done) {
      finish()
      done(error)
    },
  })
}

/** What is typed at a session's terminal. */
export function terminalInput(socket: Socket): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (socket.destroyed) done()
      else socket.write(chunk, () => done())
    },
  })
}

/**
 * What a session writes, by a port that outlives it. It is held back with the port when nobody reads it, and ends with
 * `finish`, or with the port.
 */
export class PortOutput {
  readonly stream = new PassThrough()
  readonly #socket: Socket
  readonly #silence: number
  readonly #closed: Promise<void>
  #received = 0

  /** `silence`: how long a guest that owes output may send none, in milliseconds. */
  constructor(socket: Socket, silence = SILENCE) {
    this.#socket = socket
    this.#silence = silence
    this.#closed = new Promise((resolve) => void (socket.destroyed ? resolve() : socket.once('close', resolve)))
    void this.#closed.then(() => this.#detach())
    socket.on('data', this.#onData).resume()
    this.stream.on('drain', this.#onDrain).on('close', this.#onDrain)
  }

  /** Waits for the rest. Throws `workload_failed` when there was more, or the guest is silent. */
  async finish(total: number): Promise<void> {
    const watch = Promise.withResolvers<never>()
    watch.promise.catch(() => undefined)
    let seen = -1
    const timer = setInterval(() => {
      if (this.#received === seen && !this.#isHeldBack()) watch.reject(silent(total - seen))
      seen = this.#received
    }, this.#silence)
    try {
      while (this.#received < total && !this.#socket.destroyed) {
        await Promise.race([this.#moreArrived(), this.#closed, watch.promise])
      }
      if (this.#received > total) throw new CageError('workload_failed', 'the guest wrote more than it says')
    } finally {
      clearInterval(timer)
      this.#detach()
    }
  }

  /** Waits for what the VMM has handed over: of a terminal, a guest has written all when it says that a session ended. */
  async finishTerminal(): Promise<void> {
    for (let seen = -1, quiet = 0; quiet < 2 && !this.#socket.destroyed;) {
      quiet = seen === this.#received && !this.#isHeldBack() ? quiet + 1 : 0
      seen = this.#received
      await (this.#isHeldBack() ? Promise.race([this.#released(), this.#closed]) : turn())
    }
    this.#detach()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received += chunk.length
    if (!this.stream.destroyed && !this.stream.write(chunk)) this.#socket.pause()
  }

  readonly #onDrain = (): void => void this.#socket.resume()

  #isHeldBack(): boolean {
    return !this.stream.destroyed && this.stream.writableNeedDrain
  }

  #moreArrived(): Promise<void> {
    return new Promise((resolve) => void this.#socket.once('data', () => resolve()))
  }

  #released(): Promise<void> {
    return new Promise((resolve) => {
      this.stream.once('drain', () => resolve())
      this.stream.once('close', () => resolve())
    })
  }

  #detach(): void {
    this.#socket.off('data', this.#onData).pause()
    this.stream.off('drain', this.#onDrain).off('close', this.#onDrain)
    this.stream.end()
  }
}

/** A round of the event loop: what lies in a socket is read in it. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

function silent(missing: number): CageError {
  return new CageError('workload_failed', `the guest fell silent: ${missing} bytes of its output did not come`)
}
