import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net'
import { CageError } from '../../errors.ts'
import type { Zone } from '../dns/answers.ts'
import { MessageFramer, frame, type Frame } from '../dns/framing.ts'
import type { Client, MalformedReport } from '../dns/malformed-reports.ts'
import { Responder, type QueryEvent } from '../dns/responder.ts'

export interface DnsListenerOptions extends Zone {
  /** Called before the answer leaves. When it throws, the query is answered with SERVFAIL: no record, no answer. */
  readonly onQuery: (event: QueryEvent) => void
  /** Called for what is not a query, at most eleven times a second. What it throws is ignored. */
  readonly onMalformed: (report: MalformedReport) => void
  readonly limits?: Partial<DnsLimits>
}

export interface DnsLimits {
  /** Over all sockets; what is beyond is dropped, so that a flood of questions cannot starve the proxy. */
  readonly queriesPerSecond: number
  /** TCP connections at once. */
  readonly connections: number
  readonly queriesPerConnection: number
  /** Milliseconds for a whole query to arrive, counted from the one before; single bytes do not extend it. */
  readonly patience: number
}

const LIMITS: DnsLimits = { queriesPerSecond: 2000, connections: 64, queriesPerConnection: 100, patience: 10_000 }

export interface DnsSources {
  /** Opened here, each for UDP and TCP on the same port; port 0 takes a free one. `address` is an IP address. */
  readonly addresses?: readonly { readonly address: string; readonly port: number }[]
  /** Bound already, for example in another network namespace. Closed with the listener. */
  readonly udp?: readonly UdpSocket[]
  /** Listening already. Closed with the listener. */
  readonly tcp?: readonly Server[]
}

/** Where the listener listens: the handed sockets, then `addresses`, with the same port for UDP and TCP. */
export interface DnsAddresses {
  readonly udp: readonly AddressInfo[]
  readonly tcp: readonly AddressInfo[]
}

/**
 * Answers DNS over UDP and TCP out of the policy alone; there is no code here that asks anybody.
 * A reply from a wildcard socket leaves from the address that the kernel selects, for Node cannot name one. Where every
 * address is local (a route `local default dev lo`), that is the one that was asked over IPv4, because the client's own
 * source is that address too. Over IPv6 it is ::1: a query sent straight to a public resolver's IPv6 address is decided
 * and recorded, but a strict client drops the reply unless it asks over TCP.
 */
export class DnsListener {
  readonly #responder: Responder
  readonly #limits: DnsLimits
  readonly #udp: UdpSocket[] = []
  readonly #tcp: Server[] = []
  readonly #connections = new Set<Socket>()
  #closed = false

  constructor(options: DnsListenerOptions) {
    this.#limits = { ...LIMITS, ...options.limits }
    const { queriesPerSecond } = this.#limits
    this.#responder = new Responder({ ...options, queriesPerSecond, now: () => performance.now() })
  }

  /** Starts to answer. Throws `listen_failed` when an address cannot be opened; handed sockets are closed then too. */
  async start(sources: DnsSources): Promise<DnsAddresses> {
    try {
      for (const socket of sources.udp ?? []) this.#serveUdp(socket)
      for (const server of sources.tcp ?? []) this.#serveTcp(server)
      for (const { address, port } of sources.addresses ?? []) {
        const [udp, tcp] = await openBoth(address, port)
        this.#serveUdp(udp)
        this.#serveTcp(tcp)
      }
      return { udp: this.#udp.map((socket) => socket.address()), tcp: this.#tcp.map(boundAddress) }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Closes every socket, the handed ones too, and reports what was held back. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const connection of this.#connections) connection.destroy()
    await Promise.all([...this.#udp.map(closeUdp), ...this.#tcp.map(closeTcp)])
    this.#responder.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #serveUdp(socket: UdpSocket): void {
    this.#udp.push(socket)
    socket.on('error', (error) => this.#reportFailure('udp', error))
    socket.on('message', (bytes, client) => {
      // Nobody can be answered at port 0, and `send` would throw; a raw socket can claim to come from there.
      if (this.#closed || client.port === 0) return
      const { reply } = this.#responder.respond(bytes, 'udp', { address: client.address, port: client.port })
      // Errors of a send (the client has gone, no route back) concern nobody but that client.
      if (reply !== undefined) socket.send(reply, client.port, client.address, () => {})
    })
  }

  #serveTcp(server: Server): void {
    this.#tcp.push(server)
    server.on('error', (error) => this.#reportFailure('tcp', error))
    server.on('connection', (connection) => this.#serveConnection(connection))
  }

  #serveConnection(connection: Socket): void {
    if (this.#closed || this.#connections.size >= this.#limits.connections) {
      connection.destroy()
      return
    }
    this.#connections.add(connection)
    const client: Client = { address: connection.remoteAddress ?? '', port: connection.remotePort ?? 0 }
    const framer = new MessageFramer()
    const deadline = setTimeout(() => connection.destroy(), this.#limits.patience)
    let left = this.#limits.queriesPerConnection
    connection.on('error', () => {}) // 'close' follows
    connection.on('close', () => {
      clearTimeout(deadline)
      this.#connections.delete(connection)
    })
    connection.on('data', (chunk) => {
      // What arrives after our end is read and dropped: closing over unread bytes would reset replies on their way.
      if (left === 0) return
      for (const part of framer.push(chunk)) {
        deadline.refresh()
        left = this.#answer(connection, client, part) ? left - 1 : 0
        if (left === 0) {
          connection.end()
          return
        }
      }
    })
  }

  /** Whether the connection may go on. */
  #answer(connection: Socket, client: Client, part: Frame): boolean {
    if (part.kind === 'overlong') {
      const reason = `a message of ${part.length} bytes announced`
      this.#responder.report({ kind: 'message', transport: 'tcp', client, reason })
      return false
    }
    const { reply, close } = this.#responder.respond(part.bytes, 'tcp', client)
    if (reply !== undefined) connection.write(frame(reply))
    return !close
  }

  /** ICMP errors, exhausted descriptors and the like: the socket stays open, the operator hears of it. */
  #reportFailure(transport: 'udp' | 'tcp', error: Error): void {
    this.#responder.report({ kind: 'socket', transport, reason: error.message })
  }
}

/** How often a free TCP port is tried whose UDP twin is taken. */
const ATTEMPTS = 20

async function openBoth(address: string, port: number): Promise<[UdpSocket, Server]> {
  if (isIP(address) === 0) throw new CageError('listen_failed', `DNS cannot listen on "${address}": not an IP address`)
  for (let attempt = 1; ; attempt++) {
    const tcp = await openTcp(address, port)
    try {
      return [await openUdp(address, boundAddress(tcp).port), tcp]
    } catch (error) {
      await closeTcp(tcp)
      if (port !== 0 || attempt === ATTEMPTS) throw error
    }
  }
}

async function openTcp(address: string, port: number): Promise<Server> {
  const server = createServer()
  try {
    await once(server.listen(port, address), 'listening')
    return server
  } catch (error) {
    throw listenFailed(address, port, 'TCP', error)
  }
}

async function openUdp(address: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
  try {
    const listening = once(socket, 'listening')
    socket.bind(port, address)
    await listening
    return socket
  } catch (error) {
    socket.close()
    throw listenFailed(address, port, 'UDP', error)
  }
}

function listenFailed(address: string, port: number, transport: string, cause: unknown): CageError {
  const problem = cause instanceof Error ? cause.message : String(cause)
  return new CageError('listen_failed', `DNS cannot listen on ${address} port ${port} (${transport}): ${problem}`, {
    hint: 'Name an address and a port that are free, or port 0 for any.',
    cause,
  })
}

function boundAddress(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new CageError('listen_failed', 'DNS was handed a socket that does not listen on TCP')
  return address
}

async function closeUdp(socket: UdpSocket): Promise<void> {
  const closed = once(socket, 'close')
  socket.close()
  await closed
}

async function closeTcp(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}
