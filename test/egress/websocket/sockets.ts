import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { createReceiver, createSender, type MessageSender } from '../../../src/egress/websocket/codec.ts'
import { connectTunnel, http2Session, rawRequest, tlsOver } from '../../support/proxy-client.ts'
import type { RawResponse } from '../../support/http-response.ts'
import type { Bed } from '../bed.ts'

/** What a peer heard, in its order. */
export interface Heard {
  readonly kind: 'text' | 'binary' | 'ping' | 'pong' | 'close'
  readonly data: string
  readonly code?: number
}

/** A line of things heard that can be waited for. */
export class Ear {
  readonly #heard: Heard[] = []
  #onHeard: (() => void) | undefined

  hear(heard: Heard): void {
    this.#heard.push(heard)
    this.#onHeard?.()
  }

  /** The next one. */
  async next(): Promise<Heard> {
    for (;;) {
      const heard = this.#heard.shift()
      if (heard !== undefined) return heard
      await new Promise<void>((resolve) => (this.#onHeard = resolve))
    }
  }
}

export interface Peer {
  readonly socket: WebSocket
  readonly ear: Ear
  readonly request: IncomingMessage
}

export interface PlayOptions {
  readonly handleProtocols?: (protocols: Set<string>) => string | false
  /** Further fields of the handshake. */
  readonly headers?: readonly string[]
}

/** Makes a server of the internet accept WebSockets. `next` waits for the next one. */
export function playWebSocket(server: Server, { headers = [], ...options }: PlayOptions = {}) {
  const sockets = new WebSocketServer({ noServer: true, autoPong: false, ...options })
  sockets.on('headers', (lines) => void lines.push(...headers))
  const waiting: Peer[] = []
  let onPeer: (() => void) | undefined
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, (opened) => {
      waiting.push({ socket: opened, ear: earOf(opened), request })
      onPeer?.()
    })
  })
  return {
    async next(): Promise<Peer> {
      while (waiting.length === 0) await new Promise<void>((resolve) => (onPeer = resolve))
      return waiting.shift() as Peer
    },
  }
}

/** A WebSocket client in the cage. Rejects when the handshake is refused. */
export async function openWebSocket(
  bed: Bed,
  url: string,
  options: ClientOptions & { readonly protocols?: string[] } = {},
) {
  const { hostname, port, protocol } = new URL(url)
  const secure = protocol === 'wss:'
  const tunnel = await connectTunnel(bed.proxy, `${hostname}:${port || (secure ? 443 : 80)}`)
  const connection = secure ? await tlsOver(tunnel, { ca: bed.ca, servername: hostname, alpn: ['http/1.1'] }) : tunnel
  const { protocols = [], ...rest } = options
  const socket = new WebSocket(url, protocols, {
    perMessageDeflate: false,
    autoPong: false,
    ...rest,
    createConnection: (() => connection) as never,
  })
  const ear = earOf(socket)
  await once(socket, 'open')
  return { socket, ear }
}

/** A WebSocket over an HTTP/2 stream (RFC 8441). */
export async function openHttp2WebSocket(bed: Bed, host: string, headers: Readonly<Record<string, string>> = {}) {
  const session = await http2Session(`https://${host}`, bed)
  if (!session.remoteSettings.enableConnectProtocol) await once(session, 'remoteSettings')
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/ws',
    ':authority': host,
    'sec-websocket-version': '13',
    ...headers,
  })
  stream.on('error', () => {})
  const [response] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>]
  return { session, stream, response, ...rawPeer(stream) }
}

export interface RawSocket {
  readonly socket: Duplex
  readonly response: RawResponse
  readonly ear: Ear
  readonly sender: MessageSender
}

export const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** A client that may write any bytes once the handshake is over. */
export async function openRaw(bed: Bed, host: string, fields = HANDSHAKE): Promise<RawSocket> {
  const socket = await connectTunnel(bed.proxy, `${host}:80`)
  socket.on('error', () => {})
  const response = await rawRequest(socket, `GET /ws HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`)
  return { socket, response, ...rawPeer(socket) }
}

function rawPeer(socket: Duplex): Pick<RawSocket, 'ear' | 'sender'> {
  const ear = new Ear()
  const receiver = createReceiver('server', 0)
  receiver
    .on('message', (data, isBinary) => ear.hear({ kind: isBinary ? 'binary' : 'text', data: data.toString() }))
    .on('ping', (data) => ear.hear({ kind: 'ping', data: data.toString() }))
    .on('pong', (data) => ear.hear({ kind: 'pong', data: data.toString() }))
    .on('conclude', (code, reason) => ear.hear({ kind: 'close', data: reason.toString(), code }))
  socket.on('data', (chunk: Buffer) => receiver.write(chunk))
  return { ear, sender: createSender(socket) }
}

function earOf(socket: WebSocket): Ear {
  const ear = new Ear()
  socket
    .on('message', (data: Buffer, isBinary) =>
      ear.hear({ kind: isBinary ? 'binary' : 'text', data: data.toString('latin1') }),
    )
    .on('ping', (data) => ear.hear({ kind: 'ping', data: data.toString() }))
    .on('pong', (data) => ear.hear({ kind: 'pong', data: data.toString() }))
    .on('close', (code, reason) => ear.hear({ kind: 'close', data: reason.toString(), code }))
    .on('error', () => {})
  return ear
}
