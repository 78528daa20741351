import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { parseAuthority, formatAuthority } from '../../src/policy/host.ts'
import { makeFolder } from './temporary.ts'
import { TestAuthority, type CertificateKind, type Identity } from './test-authority.ts'

const LOOPBACK = '127.0.0.1'

/** Of HTTP/1.1, or what Node gives for HTTP/2 with the same methods. */
export type TestRequest = IncomingMessage
export type TestResponse = ServerResponse

/** A request as it arrived at a server of the test internet. */
export interface ArrivedRequest {
  readonly protocol: 'http/1.1' | 'h2'
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Name, value, name, value, … as on the wire; pseudo-headers included for HTTP/2. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  readonly rawTrailers: readonly string[]
  /** What the client named when TLS began; undefined for plain HTTP. */
  readonly serverName: string | undefined
}

/** Answers once the whole body is there. */
export type Handler = (request: TestRequest, response: TestResponse, arrived: ArrivedRequest) => void | Promise<void>

export interface ServerOptions {
  /** The port that clients ask for. Default 443, or 80 without TLS. */
  readonly port?: number
  /** Default `https`. `tls` and `tcp` hand connections to `onConnection`, for servers that misbehave. */
  readonly kind?: 'https' | 'http' | 'tls' | 'tcp'
  /** Default `valid`. */
  readonly certificate?: CertificateKind
  /** What the server offers, `https` and `tls` only. Default HTTP/2 and HTTP/1.1. */
  readonly alpn?: readonly string[]
  /** Default `echo`. */
  readonly handler?: Handler
  /** In place of `handler`: answers before the body is there. Such requests are not recorded. */
  readonly streaming?: (request: TestRequest, response: TestResponse) => void
  readonly onConnection?: (socket: Socket) => void
}

export interface InternetServer {
  /** Where it really listens. */
  readonly port: number
  /** The very server, to listen to `upgrade`, `connect` and the like. */
  readonly server: Server
  /** Oldest first. */
  readonly requests: readonly ArrivedRequest[]
  /** TCP connections accepted so far. */
  readonly connections: number
}

/**
 * A small internet on one address, by default of loopback: real servers with certificates of one authority, each on its own port.
 * An egress reaches them by `upstream`; `await using` or `close` ends them all.
 */
export class Internet {
  readonly authority = new TestAuthority()
  readonly #folder: string
  readonly #address: string
  readonly #connectTo = new Map<string, string>()
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()

  constructor(folder: string, address = LOOPBACK) {
    this.#folder = folder
    this.#address = address
  }

  /** PEM file with the certificate of the authority. */
  get caFile(): string {
    return join(this.#folder, 'internet-ca.pem')
  }

  /** `{"api.test:443": "127.0.0.1:PORT", …}` for all servers so far. */
  get connectTo(): Record<string, string> {
    return Object.fromEntries(this.#connectTo)
  }

  /** The `upstream` section for a configuration. */
  get upstream(): Readonly<Record<string, unknown>> {
    const elsewhere = this.#address === LOOPBACK ? {} : { allow_addresses: [`${this.#address}/32`] }
    return { ca_file: this.caFile, connect_to: this.connectTo, ...elsewhere }
  }

  /** Starts a server that plays `host`. */
  async server(host: string, options: ServerOptions | Handler = {}): Promise<InternetServer> {
    const settings = typeof options === 'function' ? { handler: options } : options
    const requests: ArrivedRequest[] = []
    const server = makeServer(settings, this.authority.issue(host, settings.certificate), requests)
    let connections = 0
    server.on('connection', () => connections++)
    const port = await this.listen(host, settings.port ?? defaultPort(settings), server)
    return {
      port,
      server,
      requests,
      get connections() {
        return connections
      },
    }
  }

  /** Makes any other server (a gRPC one, say) listen, plays `host:port` with it and ends it with the rest. */
  async listen(host: string, port: number, server: Server): Promise<number> {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket)))
    })
    // A test that failed half-way must not be kept from ending by the servers it left behind.
    server.listen(0, this.#address).unref()
    await once(server, 'listening')
    this.#servers.push(server)
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
    this.redirect(`${host}:${port}`, address.port)
    return address.port
  }

  /** Sends those who ask for `authority` to a port of this internet's address, which need not be served. */
  redirect(authority: string, port: number): void {
    const parsed = parseAuthority(authority)
    if (parsed === undefined) throw new TypeError(`not an authority: ${authority}`)
    this.#connectTo.set(formatAuthority(parsed), `${this.#address}:${port}`)
  }

  async close(): Promise<void> {
    const closing = this.#servers.map((server) => {
      const closed = server.listening ? once(server, 'close') : Promise.resolve([])
      server.close()
      return closed
    })
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closing)
    await rm(this.#folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Starts an internet with a server for each of `hosts`. */
export async function startInternet(
  hosts: Readonly<Record<string, ServerOptions | Handler>> = {},
  address = LOOPBACK,
): Promise<Internet> {
  const internet = new Internet(await makeFolder(), address)
  await writeFile(internet.caFile, internet.authority.certificatePem)
  for (const [host, options] of Object.entries(hosts)) await internet.server(host, options)
  return internet
}

/** Answers with what arrived, as JSON: `{protocol, method, url, headers: […], body}`. */
export const echo: Handler = (_request, response, arrived) => {
  response.setHeader('content-type', 'application/json')
  response.end(
    JSON.stringify({
      protocol: arrived.protocol,
      method: arrived.method,
      url: arrived.url,
      headers: arrived.rawHeaders,
      body: arrived.body.toString(),
    }),
  )
}

function defaultPort({ kind = 'https' }: ServerOptions): number {
  return kind === 'https' || kind === 'tls' ? 443 : 80
}

function makeServer(options: ServerOptions, identity: Identity, requests: ArrivedRequest[]): Server {
  const { kind = 'https', alpn = ['h2', 'http/1.1'], onConnection = () => {} } = options
  const listener = options.streaming ?? recording(options.handler ?? echo, requests)
  switch (kind) {
    case 'http':
      return http.createServer(listener)
    case 'https':
      // `createSecureServer` offers HTTP/2 whatever it is told.
      if (!alpn.includes('h2')) return https.createServer({ ...identity, ALPNProtocols: [...alpn] }, listener)
      return http2.createSecureServer(
        { ...identity, allowHTTP1: true, settings: { enableConnectProtocol: true } },
        // The types know only half of what `allowHTTP1` means: the listener gets requests of either kind.
        listener as never,
      )
    case 'tcp':
      return net.createServer(onConnection)
    case 'tls':
      return tls.createServer({ ...identity, ALPNProtocols: [...alpn] }, onConnection)
  }
}

function recording(
  handler: Handler,
  requests: ArrivedRequest[],
): (request: TestRequest, response: TestResponse) => void {
  return (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    // A client that goes away in the middle of its request has not made one.
    request.on('error', () => {})
    request.on('end', () => {
      const arrived = describe(request, Buffer.concat(chunks))
      requests.push(arrived)
      void handler(request, response, arrived)
    })
  }
}

function describe(request: TestRequest, body: Buffer): ArrivedRequest {
  const socket = request.socket
  const { servername } = socket instanceof tls.TLSSocket ? (socket as { readonly servername?: string | false }) : {}
  return {
    protocol: request.httpVersionMajor === 2 ? 'h2' : 'http/1.1',
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: request.rawHeaders,
    body,
    rawTrailers: request.rawTrailers,
    serverName: typeof servername === 'string' ? servername : undefined,
  }
}
