import { once } from 'node:events'
import http2, {
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2'
import net, { type Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import { formatAuthority, parseAuthority } from '../../src/policy/host.ts'
import { ByteSource } from './byte-source.ts'
import { readResponse, type RawResponse } from './http-response.ts'

/** Connects to `127.0.0.1:PORT`, `[::1]:PORT`. */
export async function connectTcp(address: string): Promise<Socket> {
  const authority = parseAuthority(address)
  if (authority === undefined) throw new TypeError(`not host:port: ${address}`)
  const socket = net.connect(authority)
  await once(socket, 'connect')
  return socket
}

/** The proxy did not open a tunnel. */
export class TunnelRefused extends Error {
  readonly response: RawResponse

  constructor(authority: string, response: RawResponse) {
    super(`CONNECT ${authority}: ${response.status} ${response.body.toString()}`)
    this.response = response
  }
}

/** A CONNECT tunnel to `authority` (`host:port`), sent as it stands. Throws TunnelRefused unless the answer is 200. */
export async function connectTunnel(proxy: string, authority: string): Promise<Socket> {
  const socket = await connectTcp(proxy)
  const response = await rawRequest(socket, `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  if (response.status === 200) return socket
  socket.destroy()
  throw new TunnelRefused(authority, response)
}

/** The SOCKS5 server (RFC 1928) did not connect. `reply` is its code; 255 if it took no method. */
export class SocksRefused extends Error {
  readonly reply: number

  constructor(reply: number) {
    super(`SOCKS5 reply ${reply}`)
    this.reply = reply
  }
}

/** A SOCKS5 connection by domain name, without authentication. */
export async function connectSocks5(proxy: string, host: string, port: number): Promise<Socket> {
  const socket = await connectTcp(proxy)
  const source = new ByteSource(socket)
  socket.write(Buffer.of(5, 1, 0))
  const method = await source.bytes(2)
  const name = Buffer.from(host, 'latin1')
  if (method[1] !== 0) throw socksRefused(socket, 255)
  socket.write(Buffer.concat([Buffer.of(5, 1, 0, 3, name.length), name, Buffer.of(port >> 8, port & 0xff)]))
  const [, reply = 255, , type] = await source.bytes(4)
  if (reply !== 0) throw socksRefused(socket, reply)
  await source.bytes((type === 4 ? 16 : 4) + 2)
  source.giveBack()
  return socket
}

export interface TlsClientOptions {
  /** PEM of the authority to trust; the name is always checked. */
  readonly ca: string
  /** What the server must prove to be, and what is sent as SNI unless it is an address. */
  readonly servername: string
  readonly alpn?: readonly string[]
  /** Sent as SNI in place of `servername`; '' sends none. */
  readonly sni?: string
}

/** TLS over a connection, verified. Rejects with the error of the handshake. */
export async function tlsOver(socket: Duplex, options: TlsClientOptions): Promise<TLSSocket> {
  const secure = startTls(socket, options)
  await once(secure, 'secureConnect')
  return secure
}

/** Writes `bytes` as they are and reads one response. The connection can be used again. */
export async function rawRequest(socket: Duplex, bytes: string | Buffer): Promise<RawResponse> {
  const text = bytes.toString('latin1')
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return readResponse(socket, { method: text.slice(0, text.indexOf(' ')) })
}

export interface GetOptions {
  readonly proxy: string
  /** PEM of the cage's authority; needed for https. */
  readonly ca?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** One HTTP/1.1 request on a connection of its own: through CONNECT for https, in absolute form for http. */
export async function get(url: string, options: GetOptions): Promise<RawResponse> {
  const { protocol, hostname, port, host, pathname, search } = new URL(url)
  const secure = protocol === 'https:'
  const socket = secure ? await openTls(hostname, Number(port || 443), options) : await connectTcp(options.proxy)
  try {
    const body = Buffer.from(options.body ?? '')
    const headers = {
      Host: host,
      ...(body.length > 0 && { 'Content-Length': String(body.length) }),
      ...options.headers,
    }
    const target = secure ? pathname + search : url
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${options.method ?? 'GET'} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`
    return await rawRequest(socket, Buffer.concat([Buffer.from(head, 'latin1'), body]))
  } finally {
    socket.destroy()
  }
}

/** An HTTP/2 session with `https://host[:port]` through a tunnel. The caller closes it. */
export async function http2Session(
  url: string,
  options: Pick<GetOptions, 'proxy' | 'ca'>,
): Promise<ClientHttp2Session> {
  const { hostname, port } = new URL(url)
  const { socket, tls: tlsOptions } = await openTunnel(hostname, Number(port || 443), options)
  return http2Over(socket, url, tlsOptions)
}

/** An HTTP/2 session with `https://host` over a connection that leads there, TLS included. */
export async function http2Over(socket: Duplex, url: string, options: TlsClientOptions): Promise<ClientHttp2Session> {
  // The session waits for the handshake itself: what the server sends right after it would be lost on the way.
  const session = http2.connect(url, { createConnection: () => startTls(socket, { ...options, alpn: ['h2'] }) })
  await once(session, 'connect')
  return session
}

export interface Http2Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: IncomingHttpHeaders
}

/** One request on a session. Rejects if the stream is reset or the session ends. */
export async function http2Request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer = '',
): Promise<Http2Response> {
  const stream = session.request(headers, { endStream: body.length === 0 })
  if (body.length > 0) stream.end(body)
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = fields))
  const received = await new Promise<IncomingHttpHeaders & IncomingHttpStatusHeader>((resolve, reject) => {
    stream.once('response', resolve).once('error', reject)
    stream.once('close', () => reject(new Error(`the stream ended without a response, code ${stream.rstCode}`)))
  })
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return { status: received[':status'] ?? 0, headers: received, body: Buffer.concat(chunks), trailers }
}

interface OpenTunnel {
  readonly socket: Socket
  readonly tls: TlsClientOptions
}

async function openTunnel(
  host: string,
  port: number,
  { proxy, ca }: Pick<GetOptions, 'proxy' | 'ca'>,
): Promise<OpenTunnel> {
  const name = parseAuthority(host, port)
  if (name === undefined || ca === undefined)
    throw new TypeError('https needs a host and the certificate of the authority')
  return { socket: await connectTunnel(proxy, formatAuthority(name)), tls: { ca, servername: name.host } }
}

async function openTls(host: string, port: number, options: Pick<GetOptions, 'proxy' | 'ca'>): Promise<TLSSocket> {
  const tunnel = await openTunnel(host, port, options)
  return tlsOver(tunnel.socket, { ...tunnel.tls, alpn: ['http/1.1'] })
}

function startTls(socket: Duplex, { ca, servername, alpn, sni }: TlsClientOptions): TLSSocket {
  return tls.connect({
    socket,
    ca,
    servername: sni ?? (net.isIP(servername) === 0 ? servername : ''),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(servername, certificate),
  })
}

function socksRefused(socket: Socket, reply: number): SocksRefused {
  socket.destroy()
  return new SocksRefused(reply)
}
