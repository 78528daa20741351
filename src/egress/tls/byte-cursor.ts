/** A structure does not have the form it must have. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

/** Bounds of a vector's length, in bytes (RFC 8446 section 3.4). */
export interface VectorBounds {
  readonly lengthBytes: 1 | 2
  readonly min: number
  readonly max: number
}

/** Reads the presentation language of TLS (RFC 8446 section 3) from front to back, never outside its bytes. */
export class ByteCursor {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** A big-endian number of 1 to 6 bytes; `what` names it in the error. */
  uint(byteCount: number, what: string): number {
    return this.take(byteCount, what).readUIntBE(0, byteCount)
  }

  take(byteCount: number, what: string): Buffer {
    if (byteCount > this.remaining) throw new MalformedError(`${what} is cut off`)
    const bytes = this.#bytes.subarray(this.#at, this.#at + byteCount)
    this.#at += byteCount
    return bytes
  }

  /** The content of a length-prefixed vector. */
  vector({ lengthBytes, min, max }: VectorBounds, what: string): Buffer {
    const length = this.uint(lengthBytes, `length of ${what}`)
    if (length < min || length > max) throw new MalformedError(`${what} has ${length} bytes`)
    return this.take(length, what)
  }

  end(what: string): void {
    if (this.remaining > 0) throw new MalformedError(`${what} is followed by ${this.remaining} bytes too many`)
  }
}
