import { Readable } from 'node:stream'
import type { HeaderList } from '../../http/headers.ts'
import type { UpstreamResponse } from '../upstream.ts'
import type { ResponseHead } from './response-head.ts'

/** Where the rest of a response comes from. */
export interface ResponseSource {
  pause(): void
  resume(): void
  /** Nobody wants the rest: the connection cannot be used any more. */
  abandon(): void
}

const NOTHING = Buffer.alloc(0)

/** A response as it arrives. What has come when somebody first asks for its body needs no stream. */
export class IncomingResponse implements UpstreamResponse {
  readonly status: number
  readonly reason: string
  readonly headers: HeaderList
  readonly address: string
  #source: ResponseSource | undefined
  #pieces: Buffer[] = []
  #whole: Buffer | undefined
  #body: ResponseBody | undefined
  #trailers: HeaderList = []

  constructor({ status, reason, headers }: ResponseHead, address: string, source: ResponseSource) {
    this.status = status
    this.reason = reason
    this.headers = headers
    this.address = address
    this.#source = source
  }

  get whole(): Buffer | undefined {
    return this.#whole
  }

  get body(): Readable {
    if (this.#body !== undefined) return this.#body
    this.#body = new ResponseBody(this.#source)
    if (this.#whole !== undefined) {
      if (this.#whole.length > 0) this.#body.push(this.#whole)
      this.#body.push(null)
    }
    return this.#body
  }

  trailers(): HeaderList {
    return this.#trailers
  }

  /** Nobody wants what has not come yet. */
  abandon(): void {
    this.#source?.abandon()
  }

  /** From the connection: the next bytes of the body. They are kept until `flush` or `complete`. */
  push(bytes: Buffer): void {
    this.#pieces.push(bytes)
  }

  /**
   * From the connection: these bytes are all for now. They travel on in one piece: thousands of chunks of a byte each would
   * be thousands of buffers.
   */
  flush(): void {
    const body = this.body
    const piece = this.#take()
    if (piece.length > 0 && !body.push(piece)) this.#source?.pause()
  }

  /** From the connection: all has come, and the connection goes its own way. */
  complete(trailers: HeaderList): void {
    this.#trailers = trailers
    this.#source = undefined
    const piece = this.#take()
    if (this.#body === undefined) {
      this.#whole = piece
      return
    }
    this.#body.release()
    if (piece.length > 0) this.#body.push(piece)
    this.#body.push(null)
  }

  /** From the connection: it broke before the end. The body closes without having ended. */
  breakOff(): void {
    this.#source = undefined
    this.#body?.release()
    this.#body?.destroy()
  }

  #take(): Buffer {
    const pieces = this.#pieces
    if (pieces.length === 0) return NOTHING
    this.#pieces = []
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }
}

class ResponseBody extends Readable {
  #source: ResponseSource | undefined

  constructor(source: ResponseSource | undefined) {
    super()
    this.#source = source
  }

  /** The connection is not this response's any more. */
  release(): void {
    this.#source = undefined
  }

  override _read(): void {
    this.#source?.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source?.abandon()
    callback(error)
  }
}
