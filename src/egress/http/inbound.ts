import type { Readable } from 'node:stream'
import type { HeaderList } from './headers.ts'
import type { Destination, Route } from './route.ts'

/** A request as it arrived, whatever protocol carried it. */
export interface InboundRequest {
  readonly protocol: 'http/1.1' | 'h2'
  readonly route: Route
  readonly method: string
  /** The request target, or `:path`. */
  readonly target: string
  /** Every `Host` value, or `:authority` and any `Host` beside it. */
  readonly hosts: readonly string[]
  /** All fields, without pseudo-header fields. */
  readonly headers: HeaderList
  readonly body: Readable
  readonly hasBody: boolean
  /** Whether the connection has carried another request before: then a foreign authority is answered 421. */
  readonly reused: boolean
  /** Answers `Expect: 100-continue`, once the body is wanted. */
  readonly proceed?: () => void
  /** Whether the body broke off because what came was malformed. */
  readonly isBroken?: () => boolean
}

/** A request that was judged and may leave, still with placeholders. */
export interface JudgedRequest {
  readonly method: string
  readonly destination: Destination
  readonly headers: HeaderList
  readonly body: Buffer
}
