/** A piece of less than this is copied: an object for each would take a hundred times the byte that it may hold. */
const SMALL_BYTES = 4096

const LARGEST_BLOCK = 65_536

/** A body as it arrives, cut as its sender likes: what is kept grows with its bytes, not with the number of its pieces. */
export class BodyPieces {
  readonly #kept: Buffer[] = []
  #size = 0
  #count = 0
  /** The end of what is kept, where small pieces come together, and how much of it is filled. */
  #block: Buffer = Buffer.alloc(0)
  #filled = 0

  get size(): number {
    return this.#size
  }

  /** In how many pieces it has come. */
  get count(): number {
    return this.#count
  }

  push(piece: Buffer): void {
    this.#size += piece.length
    this.#count += 1
    // The first is most often the only one.
    if (piece.length >= SMALL_BYTES || this.#kept.length === 0) {
      this.#endBlock()
      this.#kept.push(piece)
      return
    }
    if (this.#block.length - this.#filled < piece.length) this.#beginBlock()
    this.#filled += piece.copy(this.#block, this.#filled)
  }

  /** All of it, once. */
  join(): Buffer {
    this.#endBlock()
    const [only] = this.#kept
    return only !== undefined && this.#kept.length === 1 ? only : Buffer.concat(this.#kept, this.#size)
  }

  #beginBlock(): void {
    this.#endBlock()
    // No more room than the body has shown to need: a workload may have thousands of bodies under way.
    this.#block = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#size, SMALL_BYTES), LARGEST_BLOCK))
  }

  #endBlock(): void {
    if (this.#filled > 0) this.#kept.push(this.#block.subarray(0, this.#filled))
    this.#block = this.#block.subarray(this.#filled)
    this.#filled = 0
  }
}
