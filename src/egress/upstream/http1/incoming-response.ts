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
    const body = new ResponseBody(this.#source)
    for (const piece of this.#pieces) body.push(piece)
    this.#pieces = []
    if (this.#whole !== undefined) {
      if (this.#whole.length > 0) body.push(this.#whole)
      body.push(null)
    }
    this.#body = body
    return body
  }

  trailers(): HeaderList {
    return this.#trailers
  }

  /** Nobody wants what has not come yet. */
  abandon(): void {
    this.#source?.abandon()
  }

  /** From the connection: the next bytes of the body. */
  push(bytes: Buffer): void {
    if (this.#body === undefined) this.#pieces.push(bytes)
    else if (!this.#body.push(bytes)) this.#source?.pause()
  }

  /** The rest comes later: whoever asks for the body gets a stream. */
  flow(): void {
    void this.body
  }

  /** From the connection: all has come, and the connection goes its own way. */
  complete(trailers: HeaderList): void {
    this.#trailers = trailers
    this.#source = undefined
    if (this.#body !== undefined) {
      this.#body.release()
      this.#body.push(null)
      return
    }
    this.#whole = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : joined(this.#pieces)
    this.#pieces = []
  }

  /** From the connection: it broke before the end. The body closes without having ended. */
  breakOff(): void {
    this.#source = undefined
    this.#body?.release()
    this.#body?.destroy()
  }
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 0 ? NOTHING : Buffer.concat(pieces)
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
