const LF = 0x0a
const CR = 0x0d

/**
 * Cuts a stream of server-sent events where a reader would act on one: behind the blank line that ends it, whatever the
 * line ends are (HTML Living Standard section 9.2.6). Together the pieces are the stream, byte for byte.
 */
export class EventSplitter {
  #held: Buffer[] = []
  #heldBytes = 0
  #isLineStart = true
  #isBehindReturn = false
  /** Whether the piece so far is more than line ends. */
  #hasContent = false

  /** Bytes of an event that has not ended. */
  get pendingBytes(): number {
    return this.#heldBytes
  }

  /** The events that the chunk completes. */
  push(chunk: Buffer): readonly Buffer[] {
    const events: Buffer[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at += 1) {
      if (!this.#endsEvent(chunk[at] as number)) continue
      this.#hold(chunk.subarray(start, at + 1))
      events.push(this.end())
      this.#hasContent = false
      start = at + 1
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start))
    return events
  }

  /** What no blank line followed: no reader acts on it, but it is sent on. */
  end(): Buffer {
    const rest = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held, this.#heldBytes)
    this.#held = []
    this.#heldBytes = 0
    return rest
  }

  #endsEvent(byte: number): boolean {
    const isSecondHalf = byte === LF && this.#isBehindReturn
    this.#isBehindReturn = byte === CR
    if (isSecondHalf) return false
    if (byte !== LF && byte !== CR) {
      this.#isLineStart = false
      this.#hasContent = true
      return false
    }
    const isBlank = this.#isLineStart
    this.#isLineStart = true
    return isBlank && this.#hasContent
  }

  #hold(piece: Buffer): void {
    this.#held.push(piece)
    this.#heldBytes += piece.length
  }
}
