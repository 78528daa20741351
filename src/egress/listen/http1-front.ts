import { createServer, ServerResponse, STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { handleExchange } from '../http/exchange.ts'
import type { InboundRequest } from '../http/inbound.ts'
import { deny, writeRecord } from '../http/refusal.ts'
import { ExchangeRecord } from '../http/exchange-record.ts'
import { headerValues } from '../http/headers.ts'
import { Http1Reply } from '../http/reply.ts'
import type { Route } from '../http/route.ts'
import { relayHttp1WebSocket } from '../websocket/upgrade.ts'
import { parseAuthority, type Authority } from '../../policy/host.ts'

const MAX_HEADER_BYTES = 65_536
const HEAD_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 75_000

/** What the HTTP/1.1 front hands back: a tunnel that the client asked for with CONNECT. */
export type OnTunnel = (socket: Socket, target: Authority) => void

/** Requests that may wait for their turn on one connection (pipelining, RFC 9112 section 9.3.2). Real clients have one. */
const PIPELINED = 32

/** A client connection and what is under way on it. */
interface Connection {
  readonly route: Route
  /** Requests whose response has not left completely. */
  open: number
  /** The last one that began to arrive. */
  request?: IncomingMessage
  /** What came could not be read; what was being received is malformed. */
  isBroken: boolean
}

/** Speaks HTTP/1.1 on connections whose route is known. One `http.Server` serves them all; it listens nowhere itself. */
export class Http1Front {
  readonly #core: EgressCore
  readonly #server: Server
  readonly #onTunnel: OnTunnel
  readonly #connections = new Map<Duplex, Connection>()
  #isClosing = false

  constructor(core: EgressCore, onTunnel: OnTunnel) {
    this.#core = core
    this.#onTunnel = onTunnel
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: 0, // A large body may take its time; the head may not.
      requireHostHeader: false, // Counted, and refused with a record, in `resolveDestination`.
      insecureHTTPParser: false,
      optimizeEmptyRequests: true, // Where no body was announced nothing is read.
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
    })
    this.#server.maxHeadersCount = 0 // The size bounds them; a count would drop the rest unseen.
    this.#server
      .on('request', (request, response) => this.#handle(request, response))
      .on('checkContinue', (request, response) => this.#handle(request, response, () => response.writeContinue()))
      .on('checkExpectation', (request, response) => this.#handle(request, response))
      .on('connect', (request, socket, head) => this.#connect(request, socket as Socket, head))
      .on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head))
      .on('clientError', (error, socket) => this.#malformed(error, socket as Socket))
    // The server enforces its time limits from its 'listening' event on, and it never listens.
    this.#server.emit('listening')
  }

  accept(socket: Socket, route: Route): void {
    this.#connections.set(socket, { route, open: 0, isBroken: false })
    socket.once('close', () => this.#connections.delete(socket))
    this.#server.emit('connection', socket)
    if (this.#isClosing) socket.destroySoon()
  }

  /** Connections end as soon as nothing is under way on them. */
  close(): void {
    this.#isClosing = true
    for (const [socket, { open }] of this.#connections) if (open === 0) (socket as Socket).destroySoon()
  }

  /** Stops looking after time limits; for when every connection has ended. */
  destroy(): void {
    this.#server.close()
  }

  #handle(request: IncomingMessage, response: ServerResponse, proceed?: () => void): void {
    const connection = this.#connectionOf(request)
    if (connection.isBroken) return // What was parsed behind the end.
    const problem = framingProblem(request)
    if (problem !== undefined) return this.#refuseUnread(request.socket, connection, new Denial('bad_request', problem))
    if (connection.open >= PIPELINED)
      return this.#breakOff(request.socket, new Denial('bad_request', 'too many pipelined requests'))
    const inbound = this.#inbound(request, connection, proceed)
    connection.open += 1
    const reply = new Http1Reply(response)
    reply.onClose(() => this.#answered(request.socket, connection))
    void handleExchange(this.#core, inbound, reply)
  }

  #answered(socket: Socket, connection: Connection): void {
    connection.open -= 1
    if (this.#isClosing && connection.open === 0) socket.destroySoon()
  }

  #connectionOf(request: IncomingMessage): Connection {
    const connection = this.#connections.get(request.socket)
    if (connection === undefined) throw new TypeError('a request on a connection without a route')
    return connection
  }

  #inbound(request: IncomingMessage, connection: Connection, proceed?: () => void): InboundRequest {
    connection.request = request
    const { headers } = request
    return {
      protocol: 'http/1.1',
      route: connection.route,
      method: request.method ?? '',
      target: request.url ?? '',
      hosts: headerValues(request.rawHeaders, 'host'),
      headers: request.rawHeaders,
      body: request,
      hasBody: headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0',
      reused: false, // RFC 9110 section 15.5.20 is for connections that carry several authorities: HTTP/2.
      isBroken: () => connection.isBroken && !request.complete,
      ...(proceed === undefined ? {} : { proceed }),
    }
  }

  /** CONNECT is for the explicit proxy; inside a tunnel it would be a second, unrelated destination. */
  #connect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { route, open, isBroken } = this.#connectionOf(request)
    if (isBroken) return
    if (open > 0)
      return this.#breakOff(socket, new Denial('bad_request', 'CONNECT behind a request that is not answered'))
    const target = parseAuthority(request.url ?? '')
    const host = headerValues(request.rawHeaders, 'host')
    if (route.via !== 'proxy')
      return this.#refuse(request, socket, new Denial('bad_request', 'CONNECT inside a tunnel'))
    if (target === undefined)
      return this.#refuse(request, socket, new Denial('bad_request', 'the CONNECT target must be host:port'))
    const named = parseAuthority(host[0] ?? request.url ?? '', target.port)
    if (host.length > 1 || named?.host !== target.host || named.port !== target.port) {
      return this.#refuse(
        request,
        socket,
        new Denial('authority_mismatch', `SNI/Host header mismatch: CONNECT ${request.url}, Host ${host.join(', ')}`),
      )
    }
    this.#connections.delete(socket)
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    this.#onTunnel(socket, target)
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const connection = this.#connectionOf(request)
    if (connection.isBroken) return
    if (connection.open > 0)
      return this.#breakOff(socket, new Denial('bad_request', 'an upgrade behind a request that is not answered'))
    this.#connections.delete(socket)
    if (head.length > 0) socket.unshift(head)
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.end())
    void relayHttp1WebSocket(this.#core, this.#inbound(request, connection), response)
  }

  #refuse(request: IncomingMessage, socket: Socket, denial: Denial): void {
    const record = new ExchangeRecord(this.#core, 'connect', request.method ?? '', {
      host: request.url ?? '',
      port: 0,
      path: '',
    })
    refuseRaw(this.#core, record, socket, denial)
  }

  #malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (error.code === 'ECONNRESET' || socket.destroyed || connection === undefined) return void socket.destroy()
    const reason =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'the request head took too long' : 'malformed HTTP request'
    const denial = new Denial('bad_request', reason)
    if (connection.isBroken) return // It was refused already.
    // In the middle of a body: the exchange that was receiving it records it.
    if (connection.open > 0 && connection.request?.complete === false) {
      connection.isBroken = error.code !== 'HPE_INVALID_EOF_STATE' // The client went away.
      return void socket.destroy()
    }
    this.#refuseUnread(socket, connection, denial)
  }

  /** Answers what cannot be read as a request, where an answer can still be told apart, and closes the connection. */
  #refuseUnread(socket: Socket, connection: Connection, denial: Denial): void {
    connection.isBroken = true
    if (connection.open > 0) return this.#breakOff(socket, denial)
    refuseRaw(this.#core, this.#recordOf(connection), socket, denial)
  }

  /** Closes a connection on which a response is under way: nothing more can be said on it. */
  #breakOff(socket: Socket, denial: Denial): void {
    const connection = this.#connections.get(socket)
    socket.destroy()
    if (connection === undefined) return
    connection.isBroken = true
    writeRecord(this.#core, this.#recordOf(connection), denial)
  }

  #recordOf({ route }: Connection): ExchangeRecord {
    const named = { host: route.authority?.host ?? '', port: route.authority?.port ?? route.port ?? 0, path: '' }
    return new ExchangeRecord(this.#core, 'http/1.1', '', named)
  }
}

/**
 * What is wrong with the frame of a request that the parser takes. Any transfer coding but `chunked`, once, would stay
 * on the body, which travels on without the field that names it.
 */
function framingProblem({ httpVersionMajor, httpVersion, headers }: IncomingMessage): string | undefined {
  if (httpVersionMajor !== 1) return `HTTP/${httpVersion} is not HTTP/1`
  const codings = headers['transfer-encoding']
  return codings === undefined || codings.toLowerCase() === 'chunked' ? undefined : 'unsupported transfer coding'
}

/** Answers on a bare socket, where there is no `ServerResponse`, and closes it. */
function refuseRaw(core: EgressCore, record: ExchangeRecord, socket: Duplex, denial: Denial): void {
  deny(
    core,
    record,
    {
      started: false,
      whole(status, _reason, headers, body) {
        const fields = []
        for (let index = 0; index < headers.length; index += 2)
          fields.push(`${headers[index]}: ${headers[index + 1]}\r\n`)
        socket.write(
          `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields.join('')}Connection: close\r\n\r\n`,
          'latin1',
        )
        socket.end(body, () => socket.destroy())
      },
      start: () => {},
      write: () => true,
      onDrain: () => {},
      onClose: () => {},
      end: () => {},
      abort: () => void socket.destroy(),
    },
    denial,
  )
}
