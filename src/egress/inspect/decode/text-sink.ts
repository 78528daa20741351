import { TEXT_BYTES } from './byte-class.ts'

/** Stretches with fewer letters than this, or with no such row of letters and NULs, are chance: counters, images. */
const LEAST_TEXT = 8
const LEAST_ROW = 12

/** Collects the stretches of text that were found in one encoding, as one view; NUL stands between them. */
export class TextSink {
  #bytes = Buffer.alloc(0)
  #length = 0
  #kept = 0
  #text = 0
  #row = 0
  #longestRow = 0

  /** One byte of a stretch; a control character stands as NUL. */
  push(byte: number): void {
    if (this.#length === this.#bytes.length) this.#grow()
    const isText = TEXT_BYTES[byte] === 1
    if (isText || byte >= 0x80) this.#text += 1
    this.#row = isText || byte >= 0x80 || byte === 0 ? this.#row + 1 : 0
    if (this.#row > this.#longestRow) this.#longestRow = this.#row
    this.#bytes[this.#length++] = isText || byte >= 0x80 ? byte : 0
  }

  /** Ends a stretch, and keeps it if it is text. */
  finish(): void {
    if (this.#text >= LEAST_TEXT && this.#longestRow >= LEAST_ROW) {
      this.push(0)
      this.#kept = this.#length
    }
    this.#length = this.#kept
    this.#text = this.#row = this.#longestRow = 0
  }

  /** Everything found, or undefined. */
  take(): Buffer | undefined {
    return this.#kept === 0 ? undefined : this.#bytes.subarray(0, this.#kept)
  }

  #grow(): void {
    const larger = Buffer.allocUnsafe(Math.max(256, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
