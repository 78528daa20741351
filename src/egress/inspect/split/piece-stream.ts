import { NO_ANCHORS, type Anchors } from './joined-patterns.ts'
import { NumberedPieces } from './numbered-pieces.ts'

/** Bytes of the latest pieces that are kept; longer than nearly every credential. */
const STREAM_BYTES = 2048

const FIRST_BYTES = 64

/** One place of what is sent, such as a query parameter: its values one after the other, without repetition. */
export class PieceStream {
  #store = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0
  #last = 0
  /** Bytes that were appended in all, and until when anchors are among those that are kept. */
  #total = 0
  #plainUntil = 0
  #encodedUntil = 0
  #numbered: NumberedPieces | undefined
  #decoded: PieceStream | undefined
  /** When it was last asked for, in milliseconds. */
  usedAt = 0

  get bytes(): Buffer {
    return this.#store.subarray(0, this.#length)
  }

  /** In which forms it may hold the beginning of a credential. */
  get anchors(): Anchors {
    const isPlain = this.#plainUntil > this.#total
    const isEncoded = this.#encodedUntil > this.#total
    return isPlain || isEncoded ? { isPlain, isEncoded } : NO_ANCHORS
  }

  /** Pieces of this place that have a number beside them. */
  get numbered(): NumberedPieces {
    return (this.#numbered ??= new NumberedPieces())
  }

  /** What the pieces of this place hold in base64 or hexadecimal, each by itself. */
  get decoded(): PieceStream {
    return (this.#decoded ??= new PieceStream())
  }

  /** Whether `text` (Latin-1) is what came last. */
  endsWith(text: string): boolean {
    return (
      text.length === this.#last && this.#store.toString('latin1', this.#length - this.#last, this.#length) === text
    )
  }

  /** Returns where the piece begins in `bytes`. Of a long one only the end is kept. */
  append(text: string): number {
    const piece = text.length > STREAM_BYTES ? text.slice(-STREAM_BYTES) : text
    this.#makeRoom(piece.length)
    const fresh = this.#length
    this.#length += this.#store.write(piece, fresh, 'latin1')
    this.#last = piece.length
    this.#total += piece.length
    return fresh
  }

  /** Takes back the last pieces: they did not leave. */
  drop(length: number): void {
    this.#length = Math.max(0, this.#length - length)
    this.#last = 0
  }

  anchor({ isPlain, isEncoded }: Anchors): void {
    if (isPlain) this.#plainUntil = this.#total + STREAM_BYTES
    if (isEncoded) this.#encodedUntil = this.#total + STREAM_BYTES
  }

  #makeRoom(bytes: number): void {
    const over = this.#length + bytes - STREAM_BYTES
    if (over > 0) {
      this.#store.copyWithin(0, over, this.#length)
      this.#length -= over
    }
    if (this.#length + bytes <= this.#store.length) return
    let size = this.#store.length
    while (size < this.#length + bytes) size *= 2
    const larger = Buffer.allocUnsafeSlow(size)
    this.#store.copy(larger, 0, 0, this.#length)
    this.#store = larger
  }
}
