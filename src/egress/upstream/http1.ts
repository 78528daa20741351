import {
  Agent,
  request as httpRequest,
  type AgentOptions,
  type ClientRequest,
  type ClientRequestArgs,
  type IncomingMessage,
} from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { formatAuthority } from '../../policy/host.ts'
import { Denial } from '../denial.ts'
import { dial, type DialOptions, type Origin } from './dial.ts'
import type { UpstreamCall, UpstreamRequest, UpstreamResponse } from './upstream.ts'

/** A model may think for minutes before the first byte of its answer. */
const RESPONSE_HEAD_TIMEOUT_MS = 15 * 60_000
const IDLE_CONNECTION_MS = 15_000
const MAX_HEADER_BYTES = 65_536

/** Methods that may be sent a second time when a kept-alive connection turns out to be dead (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** What came of asking for another protocol; `head` is what followed the response already. */
export interface UpgradeAnswer {
  readonly response: UpstreamResponse
  readonly socket?: Socket
  readonly head?: Buffer
}

interface AgentRequest extends ClientRequestArgs {
  readonly origin?: Origin
}

/** HTTP/1.1 connections, each bound to the origin it was made for. `node:http` keeps the fields' case, order and duplicates. */
export class Http1Pool {
  readonly #agent: OriginAgent
  readonly #options: DialOptions

  constructor(options: DialOptions) {
    this.#options = options
    this.#agent = new OriginAgent(options)
  }

  send(request: UpstreamRequest): UpstreamCall {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>()
    let current: ClientRequest | undefined
    let settled = false
    const attempt = (): void => {
      const message = (current = this.#open(request))
      const timer = setTimeout(() => message.destroy(tooLate()), RESPONSE_HEAD_TIMEOUT_MS)
      message.once('response', (response) => {
        clearTimeout(timer)
        settled = true
        settle(response, request.origin, { resolve, reject })
      })
      message.once('upgrade', (_response, socket) => {
        socket.destroy() // Nobody asked to switch protocols (RFC 9110 section 7.8).
        reject(
          new Denial(
            'upstream_protocol',
            `${formatAuthority(request.origin.authority)} did not answer with valid HTTP`,
          ),
        )
      })
      message.once('close', () => {
        clearTimeout(timer)
        if (!settled && message === current) reject(brokenOff(request.origin))
      })
      message.on('error', (error) => {
        clearTimeout(timer)
        const stale = message.reusedSocket && isConnectionReset(error) && IDEMPOTENT.has(request.method)
        if (stale && !settled) attempt()
        else reject(asDenial(error, request.origin))
      })
      message.end(request.body.length === 0 ? undefined : request.body)
    }
    attempt()
    promise.catch(() => {}) // Cancelled before anybody waits for it, it must not count as unhandled.
    const cancel = (): void => {
      settled = true
      current?.destroy()
      reject(cancelled()) // A request that waits for its connection would be heard of only when that is there.
    }
    return { response: promise, cancel }
  }

  /**
   * Sends a request with `Upgrade`. `answer` resolves with the socket once the upstream switched protocols, or with its
   * ordinary response when it did not; it rejects with a Denial.
   */
  upgrade(request: UpstreamRequest): { readonly answer: Promise<UpgradeAnswer>; readonly cancel: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
    const message = this.#open(request)
    const timer = setTimeout(() => message.destroy(tooLate()), RESPONSE_HEAD_TIMEOUT_MS)
    message.once('close', () => {
      clearTimeout(timer)
      reject(brokenOff(request.origin))
    })
    message.once('response', (response) => {
      clearTimeout(timer)
      settle(response, request.origin, { resolve: (described) => resolve({ response: described }), reject })
    })
    message.once('upgrade', (response, socket, head) => resolve({ response: describe(response), socket, head }))
    message.on('error', (error) => reject(asDenial(error, request.origin)))
    message.end()
    const cancel = (): void => {
      message.destroy()
      reject(cancelled())
    }
    return { answer: promise, cancel }
  }

  /** Idle connections end now; those in use end with their exchange. */
  close(): void {
    this.#agent.maxFreeSockets = 0
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
  }

  #open({ origin, method, path, headers }: UpstreamRequest): ClientRequest {
    const { proxy } = this.#options
    const forwarded =
      proxy !== undefined && origin.scheme === 'http' && !this.#options.connectTo.has(formatAuthority(origin.authority))
    const credentials =
      forwarded && proxy.authorization !== undefined ? ['Proxy-Authorization', proxy.authorization] : []
    const options: AgentRequest = {
      agent: this.#agent,
      origin,
      method,
      path: forwarded ? `http://${formatAuthority(origin.authority)}${path}` : path,
      headers: [...headers, ...credentials],
      setHost: false,
      maxHeaderSize: MAX_HEADER_BYTES,
    }
    return httpRequest(options)
  }
}

/** Node's agent with our own way to connect, its pools keyed by origin. */
class OriginAgent extends Agent {
  readonly #dialOptions: DialOptions

  constructor(dialOptions: DialOptions) {
    super({
      keepAlive: true,
      maxSockets: 256,
      maxFreeSockets: 64,
      scheduling: 'lifo',
      timeout: IDLE_CONNECTION_MS,
    } satisfies AgentOptions)
    this.#dialOptions = dialOptions
  }

  override getName(options?: AgentRequest): string {
    const origin = options?.origin
    return origin === undefined ? '' : `${origin.scheme}://${formatAuthority(origin.authority)}`
  }

  override createConnection(
    options: AgentRequest,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { origin } = options
    if (origin === undefined || callback === undefined) throw new TypeError('a request without an origin')
    dial(origin, ['http/1.1'], this.#dialOptions).then(
      (socket) => callback(null, socket),
      (error: unknown) => (callback as (error: unknown) => void)(error),
    )
    return undefined
  }
}

function tooLate(): Denial {
  return new Denial('upstream_timeout', 'no response in time')
}

function cancelled(): Denial {
  return new Denial('client_aborted', 'the request was cancelled')
}

interface Settlement {
  readonly resolve: (response: UpstreamResponse) => void
  readonly reject: (denial: Denial) => void
}

/** A transfer coding other than `chunked` would be passed on undone and unread (RFC 9112 section 6.1). */
function settle(response: IncomingMessage, origin: Origin, { resolve, reject }: Settlement): void {
  const coding = response.headers['transfer-encoding']
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return resolve(describe(response))
  response.destroy()
  reject(
    new Denial('upstream_protocol', `${formatAuthority(origin.authority)} answered with an unknown transfer coding`),
  )
}

function describe(response: IncomingMessage): UpstreamResponse {
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    headers: response.rawHeaders,
    body: response,
    trailers: () => response.rawTrailers,
    address: response.socket.remoteAddress ?? '',
  }
}

function isConnectionReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

function asDenial(error: Error, origin: Origin): Denial {
  if (error instanceof Denial) return error
  const name = formatAuthority(origin.authority)
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('HPE_')) {
    return new Denial('upstream_protocol', `${name} did not answer with valid HTTP`, { cause: error })
  }
  return brokenOff(origin, error)
}

function brokenOff({ authority }: Origin, cause?: Error): Denial {
  const reason = `the connection to ${formatAuthority(authority)} broke before a response`
  return new Denial('upstream_unreachable', reason, { cause })
}
