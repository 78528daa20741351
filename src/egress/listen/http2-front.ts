import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { handleExchange } from '../http/exchange.ts'
import { UNREAD_BYTES } from '../http/body.ts'
import type { InboundRequest } from '../http/inbound.ts'
import { deny, writeRecord } from '../http/refusal.ts'
import { ExchangeRecord } from '../http/exchange-record.ts'
import { headerValues, withoutHeaders } from '../http/headers.ts'
import { Http2Reply } from '../http/reply.ts'
import type { Route } from '../http/route.ts'
import { relayHttp2WebSocket } from '../websocket/upgrade.ts'

const MAX_HEADER_BYTES = 65_536
const CONCURRENT_STREAMS = 128
const IDLE_MS = 5 * 60_000

/** Speaks HTTP/2 on a TLS connection that chose it. Requests on it must all be for the route's authority. */
export class Http2Front {
  readonly #core: EgressCore
  readonly #sessions = new Set<ServerHttp2Session>()

  constructor(core: EgressCore) {
    this.#core = core
  }

  accept(socket: TLSSocket, route: Route): void {
    // Loaded for the first client that chooses it: it takes 2 MB.
    const { constants, performServerHandshake } = process.getBuiltinModule('node:http2')
    const session = performServerHandshake(socket, {
      settings: {
        enableConnectProtocol: true,
        maxConcurrentStreams: CONCURRENT_STREAMS,
        maxHeaderListSize: MAX_HEADER_BYTES,
        initialWindowSize: UNREAD_BYTES,
      },
      maxHeaderListPairs: 1000,
      maxSessionMemory: 32,
      // What is malformed resets its stream before we hear of it; the second time it ends the connection, with a record.
      maxSessionInvalidFrames: 0,
      strictSingleValueFields: false, // Duplicates are the upstream's to send and the client's to judge.
    })
    session.setLocalWindowSize(UNREAD_BYTES)
    let requests = 0
    this.#sessions.add(session)
    session.on('close', () => this.#sessions.delete(session))
    session.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('ERR_HTTP2_') === true) this.#recordMalformed(route)
      session.destroy()
    })
    session.on('sessionError', () => {})
    session.setTimeout(IDLE_MS, () => session.close())
    session.on(
      'stream',
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: readonly string[]) => {
        stream.on('error', () => {}) // 'close' follows, and ends the exchange.
        const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0
        this.#handle({ stream, headers, rawHeaders, hasBody, route, reused: requests++ > 0 })
      },
    )
  }

  close(): void {
    for (const session of this.#sessions) session.close()
  }

  #handle({ stream, headers, rawHeaders, ...rest }: Arrival): void {
    const fields = withoutHeaders(rawHeaders, (name) => name.startsWith(':'))
    const authority = headers[':authority']
    const inbound: InboundRequest = {
      ...rest,
      protocol: 'h2',
      method: headers[':method'] ?? '',
      target: headers[':path'] ?? '',
      hosts: authorities(authority, headerValues(fields, 'host')),
      headers: fields,
      body: stream,
    }
    if (inbound.method !== 'CONNECT') void handleExchange(this.#core, inbound, new Http2Reply(stream))
    else if (headers[':protocol'] === 'websocket') void relayHttp2WebSocket(this.#core, inbound, stream)
    else this.#refuseConnect(inbound, stream)
  }

  #recordMalformed({ authority, port }: Route): void {
    const record = new ExchangeRecord(this.#core, 'h2', '', {
      host: authority?.host ?? '',
      port: authority?.port ?? port ?? 0,
      path: '',
    })
    writeRecord(this.#core, record, new Denial('bad_request', 'malformed HTTP/2'))
  }

  #refuseConnect(inbound: InboundRequest, stream: ServerHttp2Stream): void {
    const record = new ExchangeRecord(this.#core, 'h2', 'CONNECT', { host: inbound.hosts[0] ?? '', port: 0, path: '' })
    deny(this.#core, record, new Http2Reply(stream), new Denial('bad_request', 'CONNECT inside a tunnel'))
  }
}

interface Arrival extends Pick<InboundRequest, 'hasBody' | 'route' | 'reused'> {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
}

/** A `Host` beside `:authority` must say the same (RFC 9113 section 8.3.1); given alone, it stands for it. */
function authorities(authority: string | undefined, hosts: readonly string[]): readonly string[] {
  if (authority === undefined) return hosts
  return hosts.every((host) => host === authority) ? [authority] : [authority, ...hosts]
}
