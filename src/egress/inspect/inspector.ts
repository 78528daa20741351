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
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: 'http/1.1' | 'h2' | 'websocket' | 'grpc'
  readonly method: string
  /** Absolute. */
  readonly url: string
  readonly host: Hostname
  readonly port: number
  /** Path and query, starting with `/`. */
  readonly path: string
  readonly headers: HeaderList
  /** '' when the request does not say. */
  readonly contentType: string
  /** Verdicts so far that were not `pass`, oldest first. */
  readonly priorResults: readonly Finding[]
}

/** A request with its body, or one message of a WebSocket or gRPC stream. */
export interface InspectionContext extends HeadContext {
  readonly body: Buffer
  /** The content as sent and decoded, shared by all who look at it. Absent: whoever needs it makes it. */
  readonly views?: ContentViews
}

/** One look at traffic. A method that is absent means that the inspector has no opinion on that kind of traffic. */
export interface Inspector {
  readonly name: string
  /** Before the body is read: for what the head alone decides. */
  inspectHead?(context: HeadContext): Verdict | Promise<Verdict>
  inspectRequest?(context: InspectionContext): Verdict | Promise<Verdict>
  inspectMessage?(context: InspectionContext): Verdict | Promise<Verdict>
}
