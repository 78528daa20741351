import type { Socket } from 'node:net'
import { Connection, type CarriedRequest, type ConnectionOwner } from './connection.ts'

/** A request that waits for a connection. */
export interface WaitingRequest extends CarriedRequest {
  /** Whether sending it twice is the same as once (RFC 9110 section 9.2.2). */
  readonly isIdempotent: boolean
  readonly isCancelled: boolean
  /** When it has waited too long for one of the connections in use; milliseconds of `performance.now()`. */
  readonly patience: number
  /** All there may be are in use, and none became free in time. */
  starved(connections: number): void
  /** It gets this connection. */
  begin(connection: Connection): void
  /** There is no connection. */
  unreachable(error: unknown): void
}

export interface ConnectionLimits {
  /** Connections, those that are being made included. */
  readonly open: number
  /** Connections that are being made at once: a flood of handshakes makes all of them late. */
  readonly dialling: number
  readonly idle: number
  readonly idleMilliseconds: number
  /** The longest wait for a connection where there are as many as there may be: those in use may be so for hours. */
  readonly queueMilliseconds: number
  /** The longest wait for the head of a response, from the call on. */
  readonly headMilliseconds: number
}

/** A server that says how long it keeps a connection may be this much ahead of us. */
const KEEP_MARGIN_MS = 1000

/** A connection that was idle for longer may have been closed without us having heard of it yet. */
const DOUBTFUL_MS = 100

interface IdleConnection {
  readonly connection: Connection
  readonly since: number
  readonly until: number
}

/** The connections to one origin, and who waits for one. */
export class OriginConnections implements ConnectionOwner {
  readonly #dial: () => Promise<Socket>
  readonly #limits: ConnectionLimits
  readonly #connections = new Set<Connection>()
  /** The one that was used last comes last, and is used first: the others can go. */
  readonly #idle: IdleConnection[] = []
  /** First come, first served; with the number that each has drawn. */
  readonly #waiting = new Map<WaitingRequest, number>()
  #drawn = 0
  #dialling = 0
  /** Of these, those whose connection somebody has already. */
  #promised = 0
  #isClosed = false

  constructor(dial: () => Promise<Socket>, limits: ConnectionLimits) {
    this.#dial = dial
    this.#limits = limits
  }

  get isUnused(): boolean {
    return this.#connections.size === 0 && this.#waiting.size === 0 && this.#dialling === 0
  }

  /** Gives it a connection, now or as soon as there is one. */
  serve(request: WaitingRequest): void {
    const idle = this.#takeIdle()
    if (idle === undefined) {
      this.#waiting.set(request, ++this.#drawn)
      this.#dialMore()
    } else if (request.isIdempotent || performance.now() - idle.since < DOUBTFUL_MS) request.begin(idle.connection)
    else this.#beginUnlessClosed(request, idle.connection)
  }

  /** A connection that was never used before; in the place of one that has just gone. */
  serveAnew(request: WaitingRequest): void {
    this.#promised += 1
    this.#open(
      (connection) => {
        this.#promised -= 1
        if (request.isCancelled) this.released(connection)
        else request.begin(connection)
      },
      (error) => {
        this.#promised -= 1
        request.unreachable(error)
      },
    )
  }

  /** It waits no longer. */
  drop(request: WaitingRequest): void {
    this.#waiting.delete(request)
  }

  released(connection: Connection): void {
    const next = this.#takeWaiting()
    // A server that closes without having said so does it right behind its response.
    if (next !== undefined)
      return next.isIdempotent ? next.begin(connection) : this.#beginUnlessClosed(next, connection)
    const since = performance.now()
    const kept = Math.min(this.#limits.idleMilliseconds, connection.keptMilliseconds - KEEP_MARGIN_MS)
    if (this.#isClosed || kept <= 0 || this.#idle.length >= this.#limits.idle) return connection.destroy()
    this.#idle.push({ connection, since, until: since + kept })
  }

  gone(connection: Connection): void {
    this.#connections.delete(connection)
    const index = this.#idle.findIndex((idle) => idle.connection === connection)
    if (index !== -1) this.#idle.splice(index, 1)
    this.#dialMore()
  }

  /** Ends what has waited too long: idle connections, and requests without an answer. */
  sweep(now: number): void {
    for (const { connection, until } of this.#idle) if (until <= now) connection.destroy()
    const isFull = this.#connections.size + this.#dialling >= this.#limits.open
    for (const request of this.#waiting.keys()) {
      if (request.deadline <= now) request.tooLate()
      else if (isFull && request.patience <= now) request.starved(this.#limits.open)
    }
    for (const { unanswered } of this.#connections)
      if (unanswered !== undefined && unanswered.deadline <= now) unanswered.tooLate()
  }

  /** Idle connections end now, the others with their response. */
  close(): void {
    this.#isClosed = true
    for (const { connection } of this.#idle) connection.destroy()
  }

  #takeWaiting(): WaitingRequest | undefined {
    const [next] = this.#waiting.keys()
    if (next !== undefined) this.#waiting.delete(next)
    return next
  }

  #takeIdle(): IdleConnection | undefined {
    const now = performance.now()
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.connection.isOpen && idle.until > now) return idle
      idle.connection.destroy()
    }
    return undefined
  }

  /**
   * A request that must not be sent twice would be lost on a connection that the server has closed (RFC 9112 section
   * 9.3.1). Two turns of the event loop have one look at all sockets between them: an end that has arrived is seen.
   */
  #beginUnlessClosed(request: WaitingRequest, connection: Connection): void {
    setImmediate(() =>
      setImmediate(() => {
        if (request.isCancelled) this.#giveBack(connection)
        else if (connection.isOpen) request.begin(connection)
        else this.serve(request)
      }),
    )
  }

  #giveBack(connection: Connection): void {
    if (connection.isOpen) this.released(connection)
  }

  #dialMore(): void {
    const { dialling, open } = this.#limits
    while (
      this.#dialling < Math.min(this.#waiting.size + this.#promised, dialling) &&
      this.#connections.size + this.#dialling < open
    ) {
      const drawn = this.#drawn
      this.#open(
        (connection) => this.released(connection),
        (error) => this.#refuse(drawn, error),
      )
    }
  }

  /** Whose turn it was. Where there is no connection at all, everybody who was there: no other dial will do better. */
  #refuse(drawn: number, error: unknown): void {
    if (this.#connections.size > 0) return this.#takeWaiting()?.unreachable(error)
    for (const [request, number] of this.#waiting) {
      if (number > drawn) return
      this.#waiting.delete(request)
      request.unreachable(error)
    }
  }

  #open(opened: (connection: Connection) => void, failed: (error: unknown) => void): void {
    this.#dialling += 1
    this.#dial()
      .then((socket) => {
        const connection = new Connection(socket, this)
        this.#connections.add(connection)
        return connection
      })
      .finally(() => (this.#dialling -= 1))
      .then(opened, failed)
      .finally(() => this.#dialMore())
  }
}
