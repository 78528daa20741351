import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream, type ServerStreamResponseOptions } from 'node:http2'
import { withoutHeaders, type HeaderList } from './headers.ts'

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

/** RFC 9110 section 6.4.1: responses that never have content. */
export function hasNoContent(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || status < 200
}

export function http1Reply(response: ServerResponse): Reply {
  response.sendDate = false
  let wrote = false
  return {
    get started() {
      return response.headersSent
    },
    whole(status, reason, headers, body) {
      const isOver = response.req.complete
      response.writeHead(status, reason ?? STATUS_CODES[status] ?? '', [...headers, ...(isOver ? [] : ['Connection', 'close'])])
      if (isOver) return void response.end(body)
      response.write(body)
      response.flushHeaders()
      discardRest(response.req, () => response.end())
    },
    start(status, reason, headers) {
      response.writeHead(status, reason, headers as string[])
      // The head travels with the first piece of the body if that is at hand, alone if it is not (server-sent events).
      setImmediate(() => {
        if (!wrote) response.flushHeaders()
      })
    },
    write(chunk) {
      wrote = true
      return response.write(chunk)
    },
    onDrain: (resume) => response.on('drain', resume),
    onClose: (closed) => (response.closed ? closed() : void response.once('close', closed)),
    end(trailers) {
      wrote = true
      if (trailers.length > 0) response.addTrailers(pairs(trailers))
      response.end()
    },
    abort: () => response.destroy(),
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

export function http2Reply(stream: ServerHttp2Stream): Reply {
  let trailers: HeaderList = []
  return {
    get started() {
      return stream.headersSent
    },
    whole(status, _reason, headers, body) {
      // Without a body the head ends the stream: a gRPC status counts only there.
      const endStream = body.length === 0
      stream.respond(responseFields(status, headers), { sendDate: false, endStream } as ServerStreamResponseOptions)
      if (!endStream) stream.end(body)
    },
    start(status, _reason, headers) {
      stream.respond(responseFields(status, headers), { waitForTrailers: true, sendDate: false } as ServerStreamResponseOptions)
      stream.once('wantTrailers', () => stream.sendTrailers(Object.fromEntries(pairs(trailers))))
    },
    write: (chunk) => stream.write(chunk),
    onDrain: (resume) => stream.on('drain', resume),
    onClose: (closed) => (stream.destroyed ? closed() : void stream.once('close', closed)),
    end(fields) {
      trailers = withoutHeaders(fields, (name) => name.startsWith(':'))
      stream.end()
    },
    abort: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  }
}

function responseFields(status: number, headers: HeaderList): string[] {
  const fields = [':status', String(status)]
  for (let index = 0; index < headers.length; index += 2) {
    fields.push((headers[index] as string).toLowerCase(), headers[index + 1] as string)
  }
  return fields
}

function pairs(fields: HeaderList): [string, string][] {
  const result: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) result.push([fields[index] as string, fields[index + 1] as string])
  return result
}
