import type { Socket } from 'node:net'
import { IncomingResponse, type ResponseSource } from './incoming-response.ts'
import { keptMilliseconds, type ResponseHead } from './response-head.ts'
import { ResponseParser, type AskedRequest, type ResponseSink } from './response-parser.ts'

/** A request that a connection carries, and who is told what became of it: one of the last three, once. */
export interface CarriedRequest extends AskedRequest {
  readonly head: string
  readonly body: Buffer
  /** When it has waited too long for its answer to begin; milliseconds of `performance.now()`. */
  readonly deadline: number
  tooLate(): void
  answered(response: IncomingResponse, switched?: { readonly socket: Socket; readonly head: Buffer }): void
  /** `cause` says what is wrong with the answer. */
  malformed(cause: Error): void
  /** `unheard`: the connection had carried a request before, and not one byte came back on it for this one. */
  brokeOff(unheard: boolean, cause: Error | undefined): void
}

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  /** It may carry another request. */
  released(connection: Connection): void
  /** It may not, and never will again. Called once. */
  gone(connection: Connection): void
}

/** What a head and a body of this size or less travel in together. */
const ONE_PIECE = 16_384

/** One connection to an origin. It carries one request at a time. */
export class Connection implements ResponseSink, ResponseSource {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  readonly #address: string
  #request: CarriedRequest | undefined
  #parser: ResponseParser | undefined
  #response: IncomingResponse | undefined
  #isAnswered = false
  #isHeard = false
  #isGone = false
  #served = 0
  #keptMilliseconds = Infinity
  #error: Error | undefined

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    this.#address = socket.remoteAddress ?? ''
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
  }

  /** Whether it can carry a request, as far as is known. */
  get isOpen(): boolean {
    return !this.#isGone && this.#socket.writable
  }

  /** For how long the server said that it keeps it when it is idle. */
  get keptMilliseconds(): number {
    return this.#keptMilliseconds
  }

  /** The request whose answer has not begun to arrive. */
  get unanswered(): CarriedRequest | undefined {
    return this.#isAnswered ? undefined : this.#request
  }

  send(request: CarriedRequest): void {
    this.#request = request
    this.#parser = new ResponseParser(request, this)
    this.#response = undefined
    this.#isAnswered = false
    this.#isHeard = false
    const { head, body } = request
    // One write, one packet, one TLS record.
    if (body.length <= ONE_PIECE) {
      this.#socket.write(body.length === 0 ? head : head + body.toString('latin1'), 'latin1')
      return
    }
    this.#socket.cork()
    this.#socket.write(head, 'latin1')
    this.#socket.write(body)
    this.#socket.uncork()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  abandon(): void {
    this.#socket.destroy()
  }

  onHead(head: ResponseHead): void {
    this.#response = new IncomingResponse(head, this.#address, this)
    this.#keptMilliseconds = keptMilliseconds(head.headers)
  }

  onData(bytes: Buffer): void {
    this.#response?.push(bytes)
  }

  readonly #onData = (chunk: Buffer): void => {
    const parser = this.#parser
    // What comes unasked would be taken for the answer to the next request (response-queue poisoning).
    if (parser === undefined) return this.destroy()
    this.#isHeard = true
    let used: number
    try {
      used = parser.push(chunk)
    } catch (error) {
      return this.#refuse(error as Error)
    }
    if (parser.hasSwitched) this.#switch(chunk.subarray(used))
    else if (parser.isOver) this.#complete(parser, used === chunk.length)
    else if (this.#response !== undefined) {
      this.#response.flush()
      if (!this.#isAnswered) this.#answer(this.#response)
    }
  }

  readonly #onEnd = (): void => {
    const parser = this.#parser
    if (parser !== undefined && this.#response !== undefined && parser.end()) this.#complete(parser, false)
    else this.destroy()
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onClose = (): void => {
    if (this.#isGone) return
    this.#isGone = true
    const request = this.#request
    const response = this.#response
    const [isAnswered, isHeard] = [this.#isAnswered, this.#isHeard]
    this.#forget()
    if (request !== undefined && !isAnswered) request.brokeOff(this.#served > 0 && !isHeard, this.#error)
    else response?.breakOff()
    this.#owner.gone(this) // A request that is sent again takes its place.
  }

  #answer(response: IncomingResponse): void {
    this.#isAnswered = true
    this.#request?.answered(response)
  }

  /** `isClean`: nothing came behind the response. */
  #complete(parser: ResponseParser, isClean: boolean): void {
    const [request, response, isAnswered] = [this.#request, this.#response, this.#isAnswered]
    // An answer that came before a large body had left completely leaves the rest of it in the way of the next request.
    // Of a small one that is not asked: that it has left is often heard of only after the answer.
    const hasLeft = request === undefined || request.body.length <= ONE_PIECE || this.#socket.writableLength === 0
    const isReusable = isClean && parser.isPersistent && hasLeft && this.isOpen
    this.#served += 1
    this.#forget()
    response?.complete(parser.trailers)
    if (isReusable) {
      this.resume()
      this.#owner.released(this)
    } else this.destroy()
    if (response !== undefined && !isAnswered) request?.answered(response)
  }

  #refuse(error: Error): void {
    const [request, response, isAnswered] = [this.#request, this.#response, this.#isAnswered]
    this.#forget()
    this.destroy()
    if (isAnswered) response?.breakOff()
    else request?.malformed(error)
  }

  #switch(head: Buffer): void {
    const [request, response, socket] = [this.#request, this.#response as IncomingResponse, this.#socket]
    this.#forget()
    this.#isGone = true
    // Paused, so that nothing is lost before its new reader is there; a failure meanwhile must have a listener.
    socket.pause()
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    socket.on('error', () => {})
    this.#owner.gone(this)
    response.complete([])
    request?.answered(response, { socket, head })
  }

  #forget(): void {
    this.#request = undefined
    this.#parser = undefined
    this.#response = undefined
  }
}
