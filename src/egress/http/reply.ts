import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { withoutHeaders, type HeaderList } from './headers.ts'
import { constants } from './http2-codes.ts'

/** The workload's side of a response, whatever protocol it speaks. */
export interface Reply {
  readonly started: boolean
  /**
   * A response with its whole body. Where the request's body was not read to its end, the connection ends with it.
   * `reason` undefined: the status's usual phrase; ignored where the protocol has none. End-to-end fields only.
   */
  whole(status: number, reason: string | undefined, headers: HeaderList, body: Buffer): void
  /** The head of a response whose body follows. */
  start(status: number, reason: string, headers: HeaderList): void
  /** False asks the caller to wait for `onDrain`. */
  write(chunk: Buffer): boolean
  onDrain(resume: () => void): void
  /** Called once, when the client is gone or the response is complete; at once if that is so already. */
  onClose(closed: () => void): void
  end(trailers: HeaderList): void
  /** Breaks the response off so that the client cannot take it for complete. */
  abort(): void
}

const NOTHING = Buffer.alloc(0)

/** Longer bodies are not copied into a text. */
const SHORT_BYTES = 16_384

/** RFC 9110 section 6.4.1: responses that never have content, and section 15.3.6: one that must not have any. */
export function hasNoContent(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 205 || status === 304 || status < 200
}

/** Whether a status is final and can be told: HTTP/2 knows no higher ones (a few servers answer 999). */
export function isTellable(status: number, protocol: 'http/1.1' | 'h2'): boolean {
  return status >= 200 && status <= (protocol === 'h2' ? 599 : 999)
}

/*
 * Classes, because a reply is made for every request: an object literal with a getter gets a hidden class of its own each
 * time it is evaluated, and V8 keeps those, with the response they lead to, until the next full collection.
 */

export class Http1Reply implements Reply {
  readonly #response: ServerResponse
  #wrote = false
  /** Whom to tell of the end; the response has one listener for all of them. */
  #closed: (() => void)[] | undefined

  constructor(response: ServerResponse) {
    this.#response = response
    response.sendDate = false
  }

  get started(): boolean {
    return this.#response.headersSent
  }

  whole(status: number, reason: string | undefined, headers: HeaderList, body: Buffer): void {
    const response = this.#response
    const isOver = response.req.complete
    const closing = isOver ? [] : ['Connection', 'close']
    response.writeHead(status, reason ?? STATUS_CODES[status] ?? '', [...headers, ...closing])
    // Head and body are one text then, which is written in one piece.
    if (isOver)
      return void (body.length <= SHORT_BYTES ? response.end(body.toString('latin1'), 'latin1') : response.end(body))
    response.write(body)
    response.flushHeaders()
    discardRest(response.req, () => response.end())
  }

  start(status: number, reason: string, headers: HeaderList): void {
    this.#response.writeHead(status, reason, headers as string[])
    // The head travels with the first piece of the body if that is at hand, alone if it is not (server-sent events).
    setImmediate(() => {
      // Not `flushHeaders`, which writes Latin-1 fields as UTF-8.
      if (!this.#wrote) this.#response.write(NOTHING)
    })
  }

  write(chunk: Buffer): boolean {
    this.#wrote = true
    return this.#response.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#response.on('drain', resume)
  }

  onClose(closed: () => void): void {
    if (this.#response.closed) return closed()
    if (this.#closed !== undefined) return void this.#closed.push(closed)
    const all = (this.#closed = [closed])
    this.#response.once('close', () => {
      for (const tell of all) tell()
    })
  }

  end(trailers: HeaderList): void {
    this.#wrote = true
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers))
    this.#response.end()
  }

  abort(): void {
    const { socket, req } = this.#response
    // What HTTP/1.0 gets without a length ends with the connection; only a reset tells it from a whole response.
    if (req.httpVersionMinor === 0 && socket !== null && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
    else this.#response.destroy()
  }
}

const LINGER_MS = 2000

/**
 * Reads on without keeping anything, for a while: a connection that is closed while the client still sends is reset,
 * and the client may never see the answer (RFC 9112 section 9.6).
 */
function discardRest(request: IncomingMessage, done: () => void): void {
  const timer = setTimeout(finish, LINGER_MS).unref()
  function finish(): void {
    clearTimeout(timer)
    request.off('end', finish).off('close', finish)
    done()
  }
  request.once('end', finish).once('close', finish).resume()
}

export class Http2Reply implements Reply {
  readonly #stream: ServerHttp2Stream
  #trailers: HeaderList = []

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  get started(): boolean {
    return this.#stream.headersSent
  }

  whole(status: number, _reason: string | undefined, headers: HeaderList, body: Buffer): void {
    // Without a body the head ends the stream: a gRPC status counts only there.
    const endStream = body.length === 0
    this.#stream.respond(responseFields(status, headers), { ...NO_DATE, endStream })
    if (!endStream) this.#stream.end(body, () => this.#stopUpload())
  }

  /** What the client still sends is for nobody (RFC 9113 section 8.1). */
  #stopUpload(): void {
    if (!this.#stream.endAfterHeaders && !this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }

  start(status: number, _reason: string, headers: HeaderList): void {
    this.#stream.respond(responseFields(status, headers), { ...NO_DATE, waitForTrailers: true })
    this.#stream.once('wantTrailers', () => this.#sendTrailers())
  }

  /** In an event of the stream's: what is thrown here would end the egress. */
  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(grouped(this.#trailers))
    } catch {
      this.abort()
    }
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#stream.on('drain', resume)
  }

  onClose(closed: () => void): void {
    if (this.#stream.destroyed) closed()
    else this.#stream.once('close', closed)
  }

  end(fields: HeaderList): void {
    this.#trailers = withoutHeaders(fields, (name) => name.startsWith(':'))
    this.#stream.end()
  }

  abort(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

/** The type declarations lack `sendDate`; the response's own `Date` is passed on. */
const NO_DATE = { sendDate: false } as ServerStreamResponseOptions

function responseFields(status: number, headers: HeaderList): string[] {
  const fields = [':status', String(status)]
  for (let index = 0; index < headers.length; index += 2) {
    fields.push((headers[index] as string).toLowerCase(), headers[index + 1] as string)
  }
  return fields
}

function pairs(fields: HeaderList): [string, string][] {
  const result: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2)
    result.push([fields[index] as string, fields[index + 1] as string])
  return result
}

/** Values by name: fields that differ in case only are one in HTTP/2. */
function grouped(fields: HeaderList): Record<string, string[]> {
  const values = new Map<string, string[]>()
  for (const [name, value] of pairs(fields)) {
    const field = name.toLowerCase()
    values.set(field, [...(values.get(field) ?? []), value])
  }
  return Object.fromEntries(values)
}
