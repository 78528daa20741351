import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { parseHostname, type Hostname } from '../../src/policy/host.ts'
import { DemoAuthority } from './authority.ts'

/** A request as it arrived at a server, which is to say outside the cage. */
export interface Arrival {
  readonly host: string
  readonly method: string
  readonly path: string
  /** `x-api-key`, '' without one. */
  readonly key: string
  readonly body: string
}

/**
 * A small internet on loopback: HTTPS servers that play api.anthropic.com, httpbin.org and evil.example, with
 * certificates of an authority of their own. Disposing of it ends the servers and their connections.
 */
export class DemoInternet implements AsyncDisposable {
  readonly #authority = new DemoAuthority()
  readonly #servers = new Map<string, https.Server>()
  readonly #arrivals: Arrival[] = []
  #strays = 0

  static async start(): Promise<DemoInternet> {
    const internet = new DemoInternet()
    await internet.#serve('httpbin.org', answerWithArrival)
    await internet.#serve('api.anthropic.com', answerWithEcho)
    await internet.#serve('evil.example', (_, response) => response.end('thank you\n'))
    internet.#servers.get('evil.example')?.on('connection', () => internet.#strays++)
    return internet
  }

  /** The certificate to trust, PEM. */
  get certificatePem(): string {
    return this.#authority.certificatePem
  }

  /** For `upstream.connect_to`: where each host really listens. */
  get connectTo(): Readonly<Record<string, string>> {
    const entries = [...this.#servers].map(([host, server]) => {
      return [`${host}:443`, `127.0.0.1:${(server.address() as AddressInfo).port}`]
    })
    return Object.fromEntries(entries) as Record<string, string>
  }

  /** What has arrived so far, oldest first. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals
  }

  /** Connections that reached evil.example. */
  get strays(): number {
    return this.#strays
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) {
      server.close()
      server.closeAllConnections()
    }
  }

  async #serve(name: string, answer: Answer): Promise<void> {
    const host = parseHostname(name) as Hostname
    const server = https.createServer(this.#authority.issue(host), (request, response) => {
      void arrivalOf(host, request).then((arrival) => {
        this.#arrivals.push(arrival)
        answer(arrival, response, request)
      })
    })
    this.#servers.set(host, server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
  }
}

type Answer = (arrival: Arrival, response: ServerResponse, request: IncomingMessage) => void

async function arrivalOf(host: string, request: IncomingMessage): Promise<Arrival> {
  const { method = '', url = '', headers } = request
  return { host, method, path: url, key: String(headers['x-api-key'] ?? ''), body: await text(request) }
}

function answerWithArrival({ method, path, body }: Arrival, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ method, url: path, data: body }))
}

/** A careless server: it tells whoever asks which key was used, in a header and in the body, compressed on request. */
function answerWithEcho({ key, body }: Arrival, response: ServerResponse, request: IncomingMessage): void {
  const echo = Buffer.from(JSON.stringify({ key, body }))
  response.setHeader('content-type', 'application/json').setHeader('x-echo', key)
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return void response.end(echo)
  response.setHeader('content-encoding', 'gzip').setHeader('x-coding', 'gzip').end(gzipSync(echo))
}
