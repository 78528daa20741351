import type { Reply } from './reply.ts'

/** Writes a response piece by piece, waiting while the client does not read. */
export class ReplyWriter {
  readonly #reply: Reply
  #goOn: () => void = () => {}
  #isClosed = false

  constructor(reply: Reply) {
    this.#reply = reply
    reply.onDrain(() => this.#goOn())
    reply.onClose(() => {
      this.#isClosed = true
      this.#goOn()
    })
  }

  /** Resolves when the client takes more, or is gone. */
  async write(piece: Buffer): Promise<void> {
    if (this.#isClosed || this.#reply.write(piece)) return
    await new Promise<void>((resolve) => (this.#goOn = resolve))
  }
}
