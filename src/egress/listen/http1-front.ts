import { createServer, ServerResponse, STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { deny, handleExchange, type InboundRequest } from '../http/exchange.ts'
import { ExchangeRecord } from '../http/exchange-record.ts'
import { headerValues } from '../http/headers.ts'
import { http1Reply } from '../http/reply.ts'
import type { Route } from '../http/route.ts'
import { relayHttp1WebSocket } from '../websocket/upgrade.ts'
import { parseAuthority, type Authority } from '../../policy/host.ts'

const MAX_HEADER_BYTES = 65_536
const HEAD_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 75_000

/** What the HTTP/1.1 front hands back: a tunnel that the client asked for with CONNECT. */
export type OnTunnel = (socket: Socket, target: Authority) => void

/** Speaks HTTP/1.1 on connections whose route is known. One `http.Server` serves them all; it listens nowhere itself. */
export class Http1Front {
  readonly #core: EgressCore
  readonly #server: Server
  readonly #onTunnel: OnTunnel
  readonly #routes = new WeakMap<Duplex, { readonly route: Route; requests: number }>()

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
    this.#routes.set(socket, { route, requests: 0 })
    this.#server.emit('connection', socket)
  }

  close(): void {
    this.#server.closeIdleConnections()
    this.#server.close()
  }

  #handle(request: IncomingMessage, response: ServerResponse, proceed?: () => void): void {
    const inbound = this.#inbound(request, proceed)
    void handleExchange(this.#core, inbound, http1Reply(response))
  }

  #inbound(request: IncomingMessage, proceed?: () => void): InboundRequest {
    const connection = this.#routes.get(request.socket)
    if (connection === undefined) throw new TypeError('a request on a connection without a route')
    connection.requests += 1
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
      ...(proceed === undefined ? {} : { proceed }),
    }
  }

  /** CONNECT is for the explicit proxy; inside a tunnel it would be a second, unrelated destination. */
  #connect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const route = this.#routes.get(request.socket)?.route
    const target = parseAuthority(request.url ?? '')
    const host = headerValues(request.rawHeaders, 'host')
    if (route?.via !== 'proxy') return this.#refuse(request, socket, new Denial('bad_request', 'CONNECT inside a tunnel'))
    if (target === undefined) return this.#refuse(request, socket, new Denial('bad_request', 'the CONNECT target must be host:port'))
    const named = parseAuthority(host[0] ?? request.url ?? '', target.port)
    if (host.length > 1 || named?.host !== target.host || named.port !== target.port) {
      return this.#refuse(request, socket, new Denial('authority_mismatch', `SNI/Host header mismatch: CONNECT ${request.url}, Host ${host.join(', ')}`))
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    this.#onTunnel(socket, target)
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (head.length > 0) socket.unshift(head)
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.end())
    void relayHttp1WebSocket(this.#core, this.#inbound(request), response)
  }

  #refuse(request: IncomingMessage, socket: Socket, denial: Denial): void {
    const record = new ExchangeRecord(this.#core, 'connect', request.method ?? '', { host: request.url ?? '', port: 0, path: '' })
    refuseRaw(this.#core, record, socket, denial)
  }

  #malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return void socket.destroy()
    const route = this.#routes.get(socket)?.route
    const named = { host: route?.authority?.host ?? '', port: route?.authority?.port ?? route?.port ?? 0, path: '' }
    const record = new ExchangeRecord(this.#core, 'http/1.1', '', named)
    const reason = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'the request head took too long' : 'malformed HTTP request'
    refuseRaw(this.#core, record, socket, new Denial('bad_request', reason))
  }
}

/** Answers on a bare socket, where there is no `ServerResponse`, and closes it. */
export function refuseRaw(core: EgressCore, record: ExchangeRecord, socket: Duplex, denial: Denial): void {
  deny(core, record, {
    started: false,
    whole(status, _reason, headers, body) {
      const fields = []
      for (let index = 0; index < headers.length; index += 2) fields.push(`${headers[index]}: ${headers[index + 1]}\r\n`)
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields.join('')}Connection: close\r\n\r\n`, 'latin1')
      socket.end(body, () => socket.destroy())
    },
    start: () => {},
    write: () => true,
    onDrain: () => {},
    onClose: () => {},
    end: () => {},
    abort: () => void socket.destroy(),
  }, denial)
}
