import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { isAddress, parseHostname, type Authority, type Hostname } from '../../policy/host.ts'
import type { AuditEvent } from '../../audit/record.ts'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { ExchangeRecord } from '../http/exchange-record.ts'
import { writeRecord } from '../http/refusal.ts'
import type { Route } from '../http/route.ts'
import type { CertificateAuthority } from '../tls/authority.ts'
import { Http1Front } from './http1-front.ts'
import { Http2Front } from './http2-front.ts'
import { readOpening, type Opening } from './opening.ts'
import { encodeSocksReply, SocksHandshake } from './socks.ts'

/** Connections at once, tunnels included; what is beyond is closed. */
const CONNECTIONS = 2048
const TLS_TIMEOUT_MS = 15_000

/**
 * Takes client connections from the listeners and finds out, from first bytes, CONNECT, SOCKS and server names, what
 * they speak and where they go. What is neither HTTP nor TLS with a name is closed and recorded.
 */
export class Front {
  readonly #core: EgressCore
  readonly #authority: CertificateAuthority
  readonly #http1: Http1Front
  readonly #http2: Http2Front
  readonly #sockets = new Set<Socket>()
  /** Those of which it is not known yet what they want. */
  readonly #undecided = new Set<Socket>()
  #onEmpty: (() => void) | undefined

  constructor(core: EgressCore, authority: CertificateAuthority) {
    this.#core = core
    this.#authority = authority
    this.#http1 = new Http1Front(core, (socket, target) => void this.#acceptTunnel(socket, 'connect', target))
    this.#http2 = new Http2Front(core)
  }

  /** A connection to the explicit proxy: HTTP with absolute targets, CONNECT, or SOCKS5. */
  async acceptProxy(socket: Socket): Promise<void> {
    if (!this.#admit(socket)) return
    const opening = await readOpening(socket)
    if (opening.kind === 'http') this.#acceptHttp1(socket, { via: 'proxy', scheme: 'http' })
    else if (opening.kind === 'socks5') this.#acceptSocks(socket)
    else this.#refuse(socket, opening, { via: 'proxy', scheme: 'http' })
  }

  /** A captured connection that was meant for `port` somewhere. */
  async acceptTransparent(socket: Socket, port: number): Promise<void> {
    if (!this.#admit(socket)) return
    const opening = await readOpening(socket)
    const route: Route = { via: 'transparent', scheme: 'http', port }
    if (opening.kind === 'http') return this.#acceptHttp1(socket, route)
    const host = opening.kind === 'tls' ? serverHost(opening.serverName) : undefined
    if (host === undefined) return this.#refuse(socket, opening, route)
    this.#startTls(socket, host, { via: 'transparent', scheme: 'https', authority: { host, port } })
  }

  /** A connection from outside to a port of the workload's: plain HTTP, and WebSocket by it. */
  async acceptPublished(socket: Socket, target: Authority): Promise<void> {
    if (!this.#admit(socket)) return
    const opening = await readOpening(socket)
    const route: Route = { via: 'published', scheme: 'http', authority: target }
    if (opening.kind === 'http') this.#acceptHttp1(socket, route)
    else this.#refuse(socket, opening, route)
  }

  /** Stops taking requests; exchanges under way go on, and their connections end with them. */
  close(): void {
    for (const socket of this.#undecided) socket.destroy()
    this.#http1.close()
    this.#http2.close()
  }

  /** Resolves when every connection has ended, or when the time is over. */
  async ended(withinMs: number): Promise<void> {
    if (this.#sockets.size === 0 || withinMs === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#onEmpty = undefined
  }

  /** Ends every connection. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#http1.destroy()
  }

  #admit(socket: Socket): boolean {
    if (this.#sockets.size >= CONNECTIONS) {
      socket.destroy()
      return false
    }
    this.#sockets.add(socket)
    this.#undecided.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#forget(socket))
    return true
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket)
    this.#undecided.delete(socket)
    if (this.#sockets.size === 0) this.#onEmpty?.()
  }

  #acceptHttp1(socket: Socket, route: Route): void {
    this.#undecided.delete(socket)
    this.#http1.accept(socket, route)
  }

  /** Inside CONNECT or SOCKS: TLS for the same host, or plain HTTP for it. */
  async #acceptTunnel(socket: Socket, via: 'connect' | 'socks5', target: Authority): Promise<void> {
    this.#undecided.add(socket)
    const opening = await readOpening(socket)
    const route: Route = { via, scheme: 'http', authority: target }
    if (opening.kind === 'http') return this.#acceptHttp1(socket, route)
    if (opening.kind !== 'tls') return this.#refuse(socket, opening, route)
    // Clients send no server name for an address (RFC 6066 section 3); the tunnel's own target names it then.
    const host = opening.serverName === undefined ? target.host : serverHost(opening.serverName)
    if (host === undefined) return this.#refuse(socket, opening, route)
    const conflict = host === target.host ? {} : { conflict: { tunnel: target, serverName: host } }
    this.#startTls(socket, host, { via, scheme: 'https', authority: target, ...conflict })
  }

  #acceptSocks(socket: Socket): void {
    const handshake = new SocksHandshake()
    const timer = setTimeout(() => socket.destroy(), TLS_TIMEOUT_MS)
    const onClose = (): void => {
      clearTimeout(timer)
      this.#record('socks5', '', 0, 'closed before its SOCKS handshake was complete')
    }
    socket.once('close', onClose)
    const onData = (chunk: Buffer): void => {
      const step = handshake.push(chunk)
      if (step.kind === 'reject') {
        socket.off('close', onClose).once('close', () => clearTimeout(timer))
        this.#record('socks5', '', 0, step.reason)
        socket.off('data', onData).end(step.reply, () => socket.destroy())
        return
      }
      if (step.reply.length > 0) socket.write(step.reply)
      if (step.kind === 'more') return
      clearTimeout(timer)
      socket.off('close', onClose).off('data', onData).pause()
      socket.write(encodeSocksReply('succeeded'))
      if (step.rest.length > 0) socket.unshift(step.rest)
      void this.#acceptTunnel(socket, 'socks5', step.authority)
    }
    socket.on('data', onData)
  }

  #startTls(socket: Socket, host: Hostname, route: Route): void {
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#authority.contextFor(host),
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    let established = false
    const fail = (reason: string): void => {
      if (!established) this.#record('tls', host, route.authority?.port ?? 0, reason, 'tls_handshake_failed')
      established = true
      secure.destroy()
    }
    const timer = setTimeout(() => fail('the TLS handshake took too long'), TLS_TIMEOUT_MS)
    secure.once('close', () => {
      clearTimeout(timer)
      fail('TLS handshake failed: the client closed the connection')
    })
    secure.on('error', (error: Error) => fail(handshakeProblem(error)))
    secure.on('_tlsError', (error: Error) => fail(handshakeProblem(error))) // What `tls.Server` turns into 'tlsClientError'.
    secure.once('secure', () => {
      clearTimeout(timer)
      established = true
      this.#undecided.delete(socket)
      // `tls.Server` clears this flag; without it `node:http2` waits for a client's 'secureConnect', which never comes.
      Object.assign(secure, { secureConnecting: false })
      if (secure.alpnProtocol === 'h2') this.#http2.accept(secure, route)
      else this.#http1.accept(secure, route)
    })
  }

  #refuse(socket: Socket, opening: Opening, route: Route): void {
    socket.destroy()
    if (opening.kind === 'closed' && opening.silent) return // A probe of the port says nothing.
    const protocol = opening.kind === 'tls' ? 'tls' : 'raw'
    this.#record(
      protocol,
      route.authority?.host ?? '',
      route.authority?.port ?? route.port ?? 0,
      openingProblem(opening),
    )
  }

  #record(
    protocol: AuditEvent['protocol'],
    host: string,
    port: number,
    reason: string,
    code: 'protocol_unsupported' | 'tls_handshake_failed' = 'protocol_unsupported',
  ): void {
    const record = new ExchangeRecord(this.#core, protocol, '', { host, port, path: '' })
    writeRecord(this.#core, record, new Denial(code, reason))
  }
}

/** The server name as a host. One that is an address breaks RFC 6066 section 3 and is refused. */
function serverHost(serverName: string | undefined): Hostname | undefined {
  const host = serverName === undefined ? undefined : parseHostname(serverName)
  return host === undefined || isAddress(host) ? undefined : host
}

function openingProblem(opening: Opening): string {
  switch (opening.kind) {
    case 'tls':
      if (opening.serverName === undefined) return 'TLS without a server name'
      return serverHost(opening.serverName) === undefined
        ? 'TLS with a server name that is not a host'
        : 'TLS where it is not expected'
    case 'http':
      return 'HTTP where it is not expected'
    case 'socks5':
      return 'SOCKS where it is not expected'
    case 'unknown':
      return opening.reason
    case 'closed':
      return 'closed before its opening was complete'
  }
}

function handshakeProblem(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code.includes('UNKNOWN_CA'))
    return "TLS handshake failed: the client does not trust the cage's certificate authority"
  return code === '' ? 'TLS handshake failed' : `TLS handshake failed: ${code}`
}
