import { answer, type Answer, type NameRuling, type Zone } from './answers.ts'
import { decodeQuery } from './decode.ts'
import { encodeError, encodeResponse, udpLimit } from './encode.ts'
import { MalformedReports, type Client, type MalformedReport, type Transport } from './malformed-reports.ts'
import { RCODE, presentName, typeName, type Query } from './message.ts'
import { TokenBucket } from '../../policy/token-bucket.ts'

/** A query and what was decided about it. */
export interface QueryEvent extends NameRuling {
  /** Lower case, without a final dot; bytes that no host name holds as `\DDD`. The root is `.`. */
  readonly name: string
  /** `A`, `HTTPS`, `TYPE1234`, … */
  readonly type: string
  readonly transport: Transport
  readonly client: Client
}

export interface ResponderOptions extends Zone {
  /** Called before the answer leaves. When it throws, the query is answered with SERVFAIL: no record, no answer. */
  readonly onQuery: (event: QueryEvent) => void
  /** Called for what is not a query, at most eleven times a second. What it throws is ignored. */
  readonly onMalformed: (report: MalformedReport) => void
  /** Queries that are looked at in a second, over all sockets; the rest is dropped. */
  readonly queriesPerSecond: number
  /** A monotonic clock in milliseconds. */
  readonly now: () => number
}

/** What to do with a message: send `bytes` back, if any, and keep or close a connection. */
export interface Outcome {
  readonly reply: Buffer | undefined
  readonly close: boolean
}

const DROP: Outcome = { reply: undefined, close: true }

/** From message to message, whatever the transport: bound, decode, answer, report, encode. */
export class Responder {
  readonly #options: ResponderOptions
  readonly #bucket: TokenBucket
  readonly #reports: MalformedReports

  constructor(options: ResponderOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(options.queriesPerSecond, options.queriesPerSecond, options.now())
    this.#reports = new MalformedReports(options.onMalformed, options.now)
  }

  respond(bytes: Buffer, transport: Transport, client: Client): Outcome {
    if (!this.#bucket.take(this.#options.now())) {
      const reason = `more than ${this.#options.queriesPerSecond} queries a second`
      this.report({ kind: 'message', transport, client, reason })
      return DROP
    }
    const message = decodeQuery(bytes)
    switch (message.kind) {
      case 'response':
        return DROP
      case 'malformed': {
        this.report({ kind: 'message', transport, client, reason: message.reason })
        if (message.error === undefined) return DROP
        return { reply: encodeError(message.error.header, message.error.rcode), close: true }
      }
      case 'query': {
        const limit = transport === 'udp' ? udpLimit(message) : 0xffff
        return { reply: encodeResponse(message, this.#decide(message, transport, client), limit), close: false }
      }
    }
  }

  report(report: MalformedReport): void {
    this.#reports.add(report)
  }

  /** Passes on what was held back. */
  close(): void {
    this.#reports.flush()
  }

  #decide(query: Query, transport: Transport, client: Client): Pick<Answer, 'rcode' | 'answers' | 'soa'> {
    try {
      const answered = answer(query, this.#options)
      const { rcode: _, answers: __, soa: ___, ...ruling } = answered
      const name = presentName(query.question.labels)
      this.#options.onQuery({ name, type: typeName(query.question.type), transport, client, ...ruling })
      return answered
    } catch {
      // Policy or audit failed: nothing is allowed that was not decided and recorded.
      return { rcode: RCODE.SERVFAIL, answers: [], soa: false }
    }
  }
}
