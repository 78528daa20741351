import { Denial } from '../denial.ts'
import { bodyTooLarge } from '../inspect/body-size.ts'

/** One length-prefixed message of a gRPC stream. */
export interface GrpcMessage {
  readonly compressed: boolean
  readonly payload: Buffer
}

const PREFIX_BYTES = 5

/** Cuts a gRPC stream into messages (gRPC over HTTP/2, "Length-Prefixed-Message"): flag, 4 bytes of length, payload. */
export class GrpcFramer {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #size = 0

  /** `maxBytes` bounds one message; 0 means no bound but 4 GiB. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of a message that has not arrived whole. */
  get pendingBytes(): number {
    return this.#size
  }

  /** The messages that the chunk completes. Throws a Denial on a bad flag or a message over the bound. */
  push(chunk: Buffer): readonly GrpcMessage[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    const messages: GrpcMessage[] = []
    while (this.#size >= PREFIX_BYTES) {
      const prefix = this.#peek(PREFIX_BYTES)
      const flag = prefix[0] as number
      const length = prefix.readUInt32BE(1)
      if (flag > 1) throw new Denial('bad_request', 'malformed gRPC message')
      if (this.#maxBytes !== 0 && length > this.#maxBytes)
        throw new Denial('body_too_large', bodyTooLarge(length, this.#maxBytes))
      if (this.#size < PREFIX_BYTES + length) break
      messages.push({ compressed: flag === 1, payload: this.#take(PREFIX_BYTES + length).subarray(PREFIX_BYTES) })
    }
    return messages
  }

  #peek(count: number): Buffer {
    const first = this.#chunks[0] as Buffer
    return first.length >= count ? first.subarray(0, count) : this.#join().subarray(0, count)
  }

  #take(count: number): Buffer {
    const all = this.#join()
    this.#chunks = count === all.length ? [] : [all.subarray(count)]
    this.#size -= count
    return all.subarray(0, count)
  }

  #join(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.#size)]
    return this.#chunks[0] as Buffer
  }
}

export function encodeGrpcMessage({ compressed, payload }: GrpcMessage): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + payload.length)
  bytes[0] = compressed ? 1 : 0
  bytes.writeUInt32BE(payload.length, 1)
  payload.copy(bytes, PREFIX_BYTES)
  return bytes
}
