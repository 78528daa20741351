import { once } from 'node:events'
import http from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { HeaderList } from '../../../../src/egress/http/headers.ts'
import { MalformedResponse } from '../../../../src/egress/upstream/http1/malformed.ts'
import type { ResponseHead } from '../../../../src/egress/upstream/http1/response-head.ts'
import { ResponseParser } from '../../../../src/egress/upstream/http1/response-parser.ts'

/** What a reader made of the bytes that a server sent before it closed the connection. */
export type Reading =
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly reason: string
      readonly headers: HeaderList
      /** Latin-1. */
      readonly body: string
      readonly trailers: HeaderList
    }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused' }

export interface FullReading {
  readonly reading: Reading
  /** Bytes behind the response, Latin-1. */
  readonly rest: string
  readonly isPersistent: boolean
}

/** What our parser makes of `pieces`, one after the other. */
export function read(pieces: readonly Buffer[], method = 'GET', upgrades = false): FullReading {
  let head: ResponseHead | undefined
  let body = ''
  let rest = ''
  const sink = {
    onHead: (arrived: ResponseHead) => void (head = arrived),
    onData: (bytes: Buffer) => void (body += bytes.toString('latin1')),
  }
  const parser = new ResponseParser({ method, upgrades }, sink)
  try {
    for (const piece of pieces) {
      const isOver = parser.isOver || parser.hasSwitched
      const used = isOver ? 0 : parser.push(piece)
      rest += piece.toString('latin1', used)
    }
    const isWhole = parser.end() || parser.hasSwitched
    const { isPersistent, trailers } = parser
    if (head === undefined || !isWhole) return { reading: { kind: 'incomplete' }, rest, isPersistent }
    const { status, reason, headers } = head
    return { reading: { kind: 'whole', status, reason, headers, body, trailers }, rest, isPersistent }
  } catch (error) {
    if (error instanceof MalformedResponse) return { reading: { kind: 'refused' }, rest: '', isPersistent: false }
    throw error
  }
}

/** What the client of `node:http` makes of the same: another parser (llhttp), in wide use. */
export class NodeReader implements AsyncDisposable {
  readonly #server: Server
  readonly #answers: Buffer[]

  private constructor(server: Server, answers: Buffer[]) {
    this.#server = server
    this.#answers = answers
  }

  static async start(): Promise<NodeReader> {
    const answers: Buffer[] = []
    const server = createServer((socket) => {
      socket.on('error', () => {}).once('data', () => socket.end(answers.shift() ?? Buffer.alloc(0)))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new NodeReader(server, answers)
  }

  async read(bytes: Buffer, method = 'GET'): Promise<Reading> {
    const { port } = this.#server.address() as AddressInfo
    this.#answers.push(bytes)
    const request = http.request({ host: '127.0.0.1', port, method, agent: false, maxHeaderSize: 65_536 })
    request.maxHeadersCount = 0
    request.on('upgrade', (_response, socket) => socket.destroy()) // Nothing asks for one here.
    return new Promise((resolve) => {
      request.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ kind: error.code?.startsWith('HPE_') === true ? 'refused' : 'incomplete' }),
      )
      request.on('close', () => resolve({ kind: 'incomplete' }))
      request.on('response', (response) => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')))
        response.on('error', (error: NodeJS.ErrnoException) =>
          resolve({ kind: error.code?.startsWith('HPE_') === true ? 'refused' : 'incomplete' }),
        )
        response.on('end', () =>
          resolve({
            kind: 'whole',
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            headers: response.rawHeaders,
            body,
            trailers: response.rawTrailers,
          }),
        )
      })
      request.end()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}
