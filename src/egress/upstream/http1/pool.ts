import type { Socket } from 'node:net'
import { Denial } from '../../denial.ts'
import { formatAuthority } from '../../../policy/host.ts'
import { dial, type DialOptions, type Origin } from '../dial.ts'
import type { UpstreamCall, UpstreamRequest, UpstreamResponse } from '../upstream.ts'
import { Call, type Settlement } from './call.ts'
import { OriginConnections, type ConnectionLimits } from './origin-connections.ts'
import { formatRequestHead } from './request-head.ts'

const LIMITS: ConnectionLimits = {
  open: 256,
  dialling: 32,
  idle: 64,
  idleMilliseconds: 15_000,
  queueMilliseconds: 60_000,
  headMilliseconds: 15 * 60_000, // A model may think for minutes before the first byte of its answer.
}

/** How often time limits are looked after, all of them with one timer. */
const SWEEP_MS = 1000

/** What came of asking for another protocol; `head` is what followed the response already. */
export interface UpgradeAnswer {
  readonly response: UpstreamResponse
  /** Paused. */
  readonly socket?: Socket
  readonly head?: Buffer
}

/** HTTP/1.1 (RFC 9112) with the internet: connections that are kept, each bound to the origin it was made for. */
export class Http1Pool {
  readonly #options: DialOptions
  readonly #limits: ConnectionLimits
  readonly #origins = new Map<string, OriginConnections>()
  #sweeper: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: DialOptions, limits: Partial<ConnectionLimits> = {}) {
    this.#options = options
    this.#limits = { ...LIMITS, ...limits }
  }

  /** Throws a Denial for a request that cannot be written as HTTP/1.1. `response` rejects with one. */
  send(request: UpstreamRequest): UpstreamCall {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>()
    promise.catch(() => {}) // Cancelled before anybody waits for it, it must not count as unhandled.
    const { cancel } = this.#call(request, false, { resolve: ({ response }) => resolve(response), reject })
    return { response: promise, cancel }
  }

  /**
   * Sends a request with `Upgrade`. `answer` resolves with the socket once the upstream switched protocols, or with its
   * ordinary response when it did not; it rejects with a Denial. Throws like `send`.
   */
  upgrade(request: UpstreamRequest): { readonly answer: Promise<UpgradeAnswer>; readonly cancel: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
    promise.catch(() => {})
    const { cancel } = this.#call(request, true, {
      resolve: ({ response, switched }) => resolve({ response, ...switched }),
      reject,
    })
    return { answer: promise, cancel }
  }

  /** Idle connections end now; those in use end with their exchange. */
  close(): void {
    this.#isClosed = true
    for (const connections of this.#origins.values()) connections.close()
  }

  #call(request: UpstreamRequest, upgrades: boolean, settlement: Settlement): Call {
    const { origin, method, body } = request
    const name = formatAuthority(origin.authority)
    const { target, credentials, proxied } = this.#towards(request, name)
    const headers = [...request.headers, ...credentials]
    const head = formatRequestHead({ method, target, headers, body })
    const now = performance.now()
    const deadline = now + this.#limits.headMilliseconds
    const patience = now + this.#limits.queueMilliseconds
    return new Call(
      { name, method, head, body, upgrades, deadline, patience },
      this.#connectionsOf(origin, name),
      proxied ? refusingProxy(settlement, name) : settlement,
    )
  }

  /** Plain HTTP goes to a proxy in absolute form, with credentials that are for it alone (RFC 9112 section 3.2.2). */
  #towards(
    { origin, path }: UpstreamRequest,
    name: string,
  ): { target: string; credentials: readonly string[]; proxied: boolean } {
    const { proxy, connectTo } = this.#options
    if (proxy === undefined || origin.scheme === 'https' || connectTo.has(name))
      return { target: path, credentials: [], proxied: false }
    const credentials = proxy.authorization === undefined ? [] : ['Proxy-Authorization', proxy.authorization]
    return { target: `http://${name}${path === '*' ? '' : path}`, credentials, proxied: true }
  }

  #connectionsOf(origin: Origin, name: string): OriginConnections {
    const key = `${origin.scheme}://${name}`
    const known = this.#origins.get(key)
    if (known !== undefined) return known
    const connections = new OriginConnections(() => dial(origin, ['http/1.1'], this.#options), this.#limits)
    if (this.#isClosed) connections.close()
    this.#origins.set(key, connections)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    return connections
  }

  #sweep(): void {
    const now = performance.now()
    for (const [key, connections] of this.#origins) {
      connections.sweep(now)
      if (connections.isUnused) this.#origins.delete(key)
    }
    if (this.#origins.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

/** A proxy that wants credentials (RFC 9110 section 15.5.8) wants ours; the workload would take us for who asks. */
function refusingProxy(settlement: Settlement, name: string): Settlement {
  return {
    resolve(answer) {
      if (answer.response.status !== 407) return settlement.resolve(answer)
      answer.response.abandon()
      const cause = new Error('the proxy answered 407')
      settlement.reject(
        new Denial('upstream_unreachable', `the upstream proxy passed no request on to ${name}`, { cause }),
      )
    },
    reject: (error) => settlement.reject(error),
  }
}
