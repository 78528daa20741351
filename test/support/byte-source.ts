import { once } from 'node:events'
import type { Duplex } from 'node:stream'

/** Pulls bytes out of a socket without losing those that belong to somebody else. */
export class ByteSource {
  readonly #socket: Duplex
  #buffer = Buffer.alloc(0)

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** Up to the line end, which is taken but not returned. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf('\r\n')
      if (end !== -1)
        return this.#take(end + 2)
          .subarray(0, -2)
          .toString('latin1')
      if (!(await this.#more()))
        throw new Error(
          `the connection ended in the middle of a line: ${JSON.stringify(this.#buffer.toString('latin1'))}`,
        )
    }
  }

  /** Exactly `count` bytes. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (!(await this.#more())) throw new Error(`the connection ended ${count - this.#buffer.length} bytes early`)
    }
    return this.#take(count)
  }

  /** All up to the end of the connection. */
  async rest(): Promise<Buffer> {
    while (await this.#more());
    return this.#take(this.#buffer.length)
  }

  /** Puts what was read ahead back into the socket. */
  giveBack(): void {
    if (this.#buffer.length > 0 && !this.#socket.readableEnded) this.#socket.unshift(this.#take(this.#buffer.length))
  }

  #take(count: number): Buffer {
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(count)
    return taken
  }

  /** False at the end of the stream; throws the socket's error. */
  async #more(): Promise<boolean> {
    for (;;) {
      const chunk = this.#socket.read() as Buffer | null
      if (chunk !== null) {
        this.#buffer = Buffer.concat([this.#buffer, chunk])
        return true
      }
      if (this.#socket.errored) throw this.#socket.errored
      if (this.#socket.readableEnded || this.#socket.destroyed) return false
      const settled = new AbortController()
      await Promise.race(
        ['readable', 'end', 'close'].map((event) => once(this.#socket, event, { signal: settled.signal })),
      ).finally(() => settled.abort())
    }
  }
}
