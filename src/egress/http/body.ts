import type { Readable } from 'node:stream'
import { Denial } from '../denial.ts'
import { bodyTooLarge } from '../inspect/body-size.ts'
import { BodyPieces } from './body-pieces.ts'
import { headerValue } from './headers.ts'
import type { InboundRequest } from './inbound.ts'

/** Bytes of request bodies and messages that may be held in memory at once, over all exchanges. */
export class BodyBudget {
  readonly #limit: number
  #held = 0

  constructor(limitBytes: number) {
    this.#limit = limitBytes
  }

  /** Takes `bytes` of the budget, or throws a Denial (`overloaded`) and takes nothing. */
  hold(bytes: number): void {
    if (this.#held + bytes > this.#limit)
      throw new Denial('overloaded', 'too many request bytes in flight', { retryAfter: 1 })
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  get heldBytes(): number {
    return this.#held
  }
}

/** What an exchange takes by itself, with a short response that the workload is slow to read. */
const EXCHANGE_BYTES = 32 * 1024

/**
 * What a client may send of a body over HTTP/2 before anybody reads it, in a stream and in a connection (RFC 9113 section
 * 5.2). With the usual 64 KiB, libcurl 7.88 (of Debian 12's git) stalls in one of ten pushes of more than that.
 */
export const UNREAD_BYTES = 1024 * 1024

/** What may have come of a request's body before it is read: many streams that nobody reads fill the memory otherwise. */
export function unreadBytes({ protocol, hasBody, headers }: InboundRequest): number {
  if (protocol !== 'h2' || !hasBody) return 0
  const declared = headerValue(headers, 'content-length') ?? ''
  return /^\d{1,7}$/.test(declared) ? Math.min(Number(declared), UNREAD_BYTES) : UNREAD_BYTES
}

/**
 * Takes an exchange's share of the budget: a workload may open many streams and read none of the answers, and a few bytes
 * of compressed fields become many kilobytes (HPACK, RFC 7541 section 7.3). Returns what to release when it is over.
 */
export function holdExchange(budget: BodyBudget, request: InboundRequest): number {
  let bytes = EXCHANGE_BYTES + unreadBytes(request) + request.target.length
  for (const text of request.headers) bytes += text.length
  budget.hold(bytes)
  return bytes
}

export interface BodyBounds {
  /** 0: only the budget bounds a body. */
  readonly maxBytes: number
  readonly budget: BodyBudget
}

/** A body of which nothing more arrives holds its exchange no longer than this. */
const STALL_MS = 60_000

/**
 * What a body may be cut into: each chunk or DATA frame costs a few microseconds, whatever it holds. An encoder that sends
 * JSON token by token comes to a million with several megabytes.
 */
const MAX_PIECES = 1024 * 1024

/**
 * Reads a body whole. Throws a Denial when it is over the bound or the budget, or when the client goes away.
 * What it returns is still held in the budget: `release(body.length)` when the exchange has sent it on.
 */
export function readBody(stream: Readable, { maxBytes, budget }: BodyBounds): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces = new BodyPieces()
    const stalled = setTimeout(() => fail(new Denial('bad_request', 'the request body stopped arriving')), STALL_MS)
    function finish(outcome: () => void): void {
      clearTimeout(stalled)
      stream.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken)
      outcome()
    }
    function fail(denial: Denial): void {
      budget.release(pieces.size)
      finish(() => reject(denial))
    }
    function onData(chunk: Buffer): void {
      stalled.refresh()
      try {
        const size = pieces.size + chunk.length
        if (maxBytes !== 0 && size > maxBytes) throw new Denial('body_too_large', bodyTooLarge(size, maxBytes))
        if (pieces.count === MAX_PIECES)
          throw new Denial('bad_request', `the request body comes in more than ${MAX_PIECES} pieces`)
        budget.hold(chunk.length)
      } catch (error) {
        fail(error as Denial)
        return
      }
      pieces.push(chunk)
    }
    function onEnd(): void {
      finish(() => resolve(pieces.join()))
    }
    function onBroken(): void {
      fail(new Denial('client_aborted', 'the request ended before its body did'))
    }
    // A client that went away while its head was judged will not be heard of again.
    if (stream.destroyed && !stream.readableEnded) return onBroken()
    stream.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken)
  })
}

/** Refuses by `Content-Length` alone what is over the bound, before a byte of it is read (RFC 9110 section 10.1.1). */
export function checkDeclaredLength(contentLength: string | undefined, maxBytes: number): void {
  const declared = Number(contentLength ?? 0)
  if (maxBytes !== 0 && declared > maxBytes) throw new Denial('body_too_large', bodyTooLarge(declared, maxBytes))
}
