import type { Hostname } from '../../policy/host.ts'
import type { HeaderList } from '../http/headers.ts'

export type Severity = 'info' | 'warning' | 'error' | 'critical'

/** What an inspector decided. Saying nothing does not compile, and at run time it blocks. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'flag'; readonly reason: string; readonly severity: Severity }
  | {
      readonly kind: 'block'
      readonly reason: string
      readonly severity: Severity
      /** A code from the table of denials; `inspector_blocked` when absent. */
      readonly code?: string
      /** HTTP status of the denial; the code's own when absent. */
      readonly status?: number
      /** Whole seconds for a `Retry-After` header. */
      readonly retryAfter?: number
    }

/** A verdict with the name of the inspector that gave it, as it stands in the audit record. */
export interface NamedVerdict {
  readonly name: string
  readonly action: 'flag' | 'block'
  readonly reason: string
  readonly severity: Severity
}

/**
 * What is inspected: a request, a response, a WebSocket or gRPC message, a DNS question.
 * Everything is as the workload sent it: placeholders, never live credentials.
 */
export interface InspectionContext {
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: 'http/1.1' | 'h2' | 'websocket' | 'grpc' | 'dns'
  readonly method: string
  /** Absolute, as the workload sent it. */
  readonly url: string
  readonly host: Hostname
  readonly port: number
  /** Path and query, starting with `/`. */
  readonly path: string
  readonly headers: HeaderList
  readonly contentType: string
  readonly body: Buffer
  /** Verdicts so far that were not `pass`, oldest first. */
  readonly priorResults: readonly NamedVerdict[]
}

/** One look at traffic. A method that is absent means that the inspector has no opinion on that kind of traffic. */
export interface Inspector {
  readonly name: string
  inspectRequest?(context: InspectionContext): Verdict | Promise<Verdict>
  inspectMessage?(context: InspectionContext): Verdict | Promise<Verdict>
}
