import type { Hostname } from '../../policy/host.ts'
import type { DenialCode } from '../denial.ts'
import type { HeaderList } from '../http/headers.ts'
import type { ContentViews } from './decode/content-views.ts'

export type Severity = 'info' | 'warning' | 'error' | 'critical'

/** What an inspector decided. Saying nothing does not compile, and at run time it blocks. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'flag'; readonly reason: string; readonly severity: Severity }
  | {
      readonly kind: 'block'
      readonly reason: string
      readonly severity: Severity
      /** `inspector_blocked` when absent. */
      readonly code?: DenialCode
      /** Whole seconds for a `Retry-After` header. */
      readonly retryAfter?: number
    }

export const PASS: Verdict = { kind: 'pass' }

/** A verdict that was not `pass`, with the name of the inspector that gave it. */
export interface Finding {
  readonly name: string
  readonly action: 'flag' | 'block'
  readonly reason: string
  readonly severity: Severity
}

/** What is known before a body is read. Everything is as the workload sent it: placeholders, never live credentials. */
export interface HeadContext {
  /** `inbound`: on its way to the workload. Host, method and URL are still those of the request. */
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: 'http/1.1' | 'h2' | 'websocket' | 'grpc' | 'dns'
  /** Of a DNS question its type. */
  readonly method: string
  /** Absolute. */
  readonly url: string
  readonly host: Hostname
  readonly port: number
  /** Path and query, starting with `/`; '' for a DNS question. */
  readonly path: string
  readonly headers: HeaderList
  /** '' when the head does not say. */
  readonly contentType: string
  /** Verdicts so far that were not `pass`, oldest first. */
  readonly priorResults: readonly Finding[]
}

/** A request with its body, or one message of a WebSocket or gRPC stream. */
export interface InspectionContext extends HeadContext {
  readonly body: Buffer
  /**
   * What is made of the content when somebody asks, shared by all who look at it: its text, its entropy, its parts, and
   * every form in which it can be read. The chain puts it in; whoever is asked past the chain makes it.
   */
  readonly views?: ContentViews
}

/** A response, or a part of one that is released by itself. Redacted: placeholders, never live credentials. */
export interface ResponseContext extends InspectionContext {
  readonly status: number
  /**
   * `whole`: head and body. `head`: the head of a stream, whose body follows in pieces. `event`: one server-sent event.
   * `trailers`: the fields behind the body, as `headers`.
   */
  readonly part: 'whole' | 'head' | 'event' | 'trailers'
}

/**
 * One look at traffic. A method that is absent means that the inspector has no opinion on that kind of traffic, and that
 * nothing is made ready for it: where nobody looks at responses they stream.
 */
export interface Inspector {
  readonly name: string
  /** How long it may think about one thing, in milliseconds; a second when absent. */
  readonly timeLimit?: number
  /** Before the body is read: for what the head alone decides. */
  inspectHead?(context: HeadContext): Verdict | Promise<Verdict>
  inspectRequest?(context: InspectionContext): Verdict | Promise<Verdict>
  inspectResponse?(context: ResponseContext): Verdict | Promise<Verdict>
  inspectMessage?(context: InspectionContext): Verdict | Promise<Verdict>
  /** A name that is asked of DNS. At once: the answer does not wait. */
  inspectQuestion?(context: HeadContext): Verdict
}

/** The kinds of traffic, by the method that looks at them. */
export type Look = Exclude<keyof Inspector, 'name' | 'timeLimit'>
