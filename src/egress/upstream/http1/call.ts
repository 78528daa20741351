import type { Socket } from 'node:net'
import { Denial } from '../../denial.ts'
import type { Connection } from './connection.ts'
import type { IncomingResponse } from './incoming-response.ts'
import type { OriginConnections, WaitingRequest } from './origin-connections.ts'

/** What is known of a request before it has a connection. */
export interface PreparedRequest {
  /** The origin, for reasons. */
  readonly name: string
  readonly method: string
  readonly head: string
  readonly body: Buffer
  readonly upgrades: boolean
  readonly deadline: number
  readonly patience: number
}

/** The answer; `switched` where it is another protocol, with what has come of that already. */
export interface Answer {
  readonly response: IncomingResponse
  readonly switched?: { readonly socket: Socket; readonly head: Buffer } | undefined
}

/** Methods that may be sent a second time when a kept connection turns out to be dead (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Who waits for the answer. One of both, once; whatever is said after that is not heard, as with a promise. */
export interface Settlement {
  resolve(answer: Answer): void
  /** With a Denial. */
  reject(error: unknown): void
}

/** A request on its way: it waits for a connection, is sent, may be sent once more, and is answered or fails. */
export class Call implements WaitingRequest {
  readonly method: string
  readonly head: string
  readonly body: Buffer
  readonly upgrades: boolean
  readonly deadline: number
  readonly patience: number
  readonly isIdempotent: boolean
  readonly #name: string
  readonly #connections: OriginConnections
  readonly #settlement: Settlement
  /** The one that carries it, until the answer begins. */
  #connection: Connection | undefined
  #response: IncomingResponse | undefined
  #isSecondTry = false
  #isCancelled = false

  constructor(
    { name, method, head, body, upgrades, deadline, patience }: PreparedRequest,
    connections: OriginConnections,
    settlement: Settlement,
  ) {
    this.method = method
    this.head = head
    this.body = body
    this.upgrades = upgrades
    this.deadline = deadline
    this.patience = patience
    this.isIdempotent = IDEMPOTENT.has(method)
    this.#name = name
    this.#connections = connections
    this.#settlement = settlement
    connections.serve(this)
  }

  get isCancelled(): boolean {
    return this.#isCancelled
  }

  /** Does nothing once the response has come completely. */
  readonly cancel = (): void => this.#giveUp(new Denial('client_aborted', 'the request was cancelled'))

  begin(connection: Connection): void {
    this.#connection = connection
    connection.send(this)
  }

  answered(response: IncomingResponse, switched?: Answer['switched']): void {
    this.#connection = undefined
    this.#response = response
    this.#settlement.resolve({ response, switched })
  }

  malformed(cause: Error): void {
    this.#connection = undefined
    this.#settlement.reject(new Denial('upstream_protocol', `${this.#name} did not answer with valid HTTP`, { cause }))
  }

  brokeOff(unheard: boolean, cause: Error | undefined): void {
    this.#connection = undefined
    // A proxy must not send anything else twice: what came of the first is unknown (RFC 9110 section 9.2.2).
    if (unheard && this.isIdempotent && !this.#isSecondTry && !this.#isCancelled) {
      this.#isSecondTry = true
      return this.#connections.serveAnew(this)
    }
    const reason = `the connection to ${this.#name} broke before a response`
    this.#settlement.reject(new Denial('upstream_unreachable', reason, { cause }))
  }

  unreachable(error: unknown): void {
    this.#settlement.reject(error)
  }

  tooLate(): void {
    this.#giveUp(new Denial('upstream_timeout', 'no response in time'))
  }

  starved(connections: number): void {
    const reason = `all ${connections} connections to ${this.#name} are in use, and none became free in time`
    this.#giveUp(new Denial('upstream_timeout', reason))
  }

  #giveUp(denial: Denial): void {
    this.#isCancelled = true
    this.#connections.drop(this)
    this.#settlement.reject(denial)
    this.#connection?.destroy()
    this.#response?.abandon()
  }
}
