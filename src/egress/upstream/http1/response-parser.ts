import type { HeaderList } from '../../http/headers.ts'
import { ChunkedBody } from './chunked-body.ts'
import { HeadBlock } from './head-block.ts'
import { MalformedResponse } from './malformed.ts'
import { framingOf, isPersistent, parseResponseHead, type ResponseHead } from './response-head.ts'

/** What is being read; it hears of the parts as they come. */
export interface ResponseSink {
  /** The final head: interim responses (1xx) are for nobody. */
  onHead(head: ResponseHead): void
  onData(bytes: Buffer): void
}

export interface AskedRequest {
  readonly method: string
  /** Whether it asked for another protocol, so that 101 is an answer. */
  readonly upgrades: boolean
}

const OPENING = Buffer.from('HTTP/1.')

/** Interim responses before the final one: a server that is busy for minutes may send one each few seconds (102). */
const MAX_INTERIM = 200

/** Reads the response to one request (RFC 9112) from bytes in any pieces. Knows no sockets. */
export class ResponseParser {
  readonly #request: AskedRequest
  readonly #sink: ResponseSink
  readonly #onData: (bytes: Buffer) => void
  #block = new HeadBlock(OPENING)
  #interim = 0
  #state: 'head' | 'length' | 'chunked' | 'close' | 'over' | 'switched' = 'head'
  #missing = 0
  #chunked: ChunkedBody | undefined
  #isPersistent = false

  constructor(request: AskedRequest, sink: ResponseSink) {
    this.#request = request
    this.#sink = sink
    this.#onData = (bytes) => sink.onData(bytes)
  }

  /** Whether the whole response has come. */
  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Whether the upstream went over to the protocol that was asked for: what follows the head is not HTTP. */
  get hasSwitched(): boolean {
    return this.#state === 'switched'
  }

  /** Whether another request may follow on the connection, once it is over. */
  get isPersistent(): boolean {
    return this.#isPersistent
  }

  get trailers(): HeaderList {
    return this.#chunked?.trailers ?? []
  }

  /** Returns how many bytes of `chunk` belong to the response. Throws MalformedResponse; nothing may follow that. */
  push(chunk: Buffer): number {
    let at = 0
    while (this.#state === 'head') {
      at = this.#block.push(chunk, at)
      if (at === -1) return chunk.length
      this.#takeHead(parseResponseHead(this.#block.text))
      if (this.#state === 'head' && at === chunk.length) return at
    }
    switch (this.#state) {
      case 'length':
        return this.#takeLength(chunk, at)
      case 'chunked':
        return this.#takeChunks(chunk, at)
      case 'close':
        if (at < chunk.length) this.#sink.onData(at === 0 ? chunk : chunk.subarray(at))
        return chunk.length
      case 'over':
      case 'switched':
        return at
    }
  }

  /** The connection has ended. Returns whether the response is whole. */
  end(): boolean {
    if (this.#state === 'close') this.#state = 'over'
    return this.#state === 'over'
  }

  #takeHead(head: ResponseHead): void {
    const { method, upgrades } = this.#request
    const framing = framingOf(method, head)
    if (head.status === 101) {
      if (!upgrades) throw new MalformedResponse('it switches protocols, which nobody asked for') // RFC 9110 section 7.8
      this.#state = 'switched'
    } else if (head.status < 200) {
      // HTTP/1.0 has none (RFC 9110 section 15.2), and behind `close` comes nothing.
      if (!isPersistent(head)) throw new MalformedResponse('an interim response ends the connection')
      if (++this.#interim > MAX_INTERIM) throw new MalformedResponse('there are too many interim responses')
      this.#block = new HeadBlock(OPENING)
      return
    } else if (framing.kind === 'length') {
      this.#missing = framing.bytes
      this.#state = framing.bytes === 0 ? 'over' : 'length'
    } else {
      this.#state = framing.kind
      if (framing.kind === 'chunked') this.#chunked = new ChunkedBody()
    }
    this.#isPersistent = framing.kind !== 'close' && isPersistent(head)
    this.#sink.onHead(head)
  }

  #takeLength(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missing)
    if (end === at) return at
    this.#missing -= end - at
    if (this.#missing === 0) this.#state = 'over'
    this.#sink.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    return end
  }

  #takeChunks(chunk: Buffer, at: number): number {
    const chunked = this.#chunked as ChunkedBody
    const end = chunked.push(chunk, at, this.#onData)
    if (chunked.isOver) this.#state = 'over'
    return end
  }
}
