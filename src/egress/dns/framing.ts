import { MAX_MESSAGE } from './message.ts'

/** A part of a TCP stream: a whole message, or a length that is not waited for. */
export type Frame =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  | { readonly kind: 'overlong'; readonly length: number }

/**
 * Takes a TCP stream apart: two bytes of length before each message (RFC 7766 section 8), cut anywhere.
 * Holds no more than one message. After `overlong` the stream has no meaning any more.
 */
export class MessageFramer {
  #pending: Buffer = Buffer.alloc(0);

  /** The frames that `chunk` completes, read one at a time: leaving the loop leaves the rest unread. */
  *push(chunk: Buffer): Generator<Frame> {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = Buffer.alloc(0)
    while (bytes.length >= 2) {
      const length = bytes.readUInt16BE(0)
      if (length > MAX_MESSAGE) {
        yield { kind: 'overlong', length }
        return
      }
      if (bytes.length < 2 + length) break
      yield { kind: 'message', bytes: bytes.subarray(2, 2 + length) }
      bytes = bytes.subarray(2 + length)
    }
    // A copy: a slice would keep the whole chunk alive for the sake of its last bytes.
    this.#pending = Buffer.from(bytes)
  }
}

/** A message with its length before it, in one piece, so that both leave in one segment. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length)
  framed.writeUInt16BE(message.length, 0)
  message.copy(framed, 2)
  return framed
}
