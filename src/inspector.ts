/**
 * What inspectors of your own are written against, published as `agentcage/inspector`. An inspector is one file whose
 * default export is an `Inspector`; it runs in a thread of its own and is handed copies. It imports nothing but this and
 * Node's own modules.
 */

export type Severity = 'info' | 'warning' | 'error' | 'critical'

/** What an inspector decides. Anything else, an exception, or no answer in time blocks. */
export type Verdict =
  | { readonly kind: 'pass' }
  | {
      readonly kind: 'flag' | 'block'
      /** Recorded, and of a block shown to the workload: 500 characters of it. */
      readonly reason: string
      /** `warning` when absent. */
      readonly severity?: Severity
    }

/** What an inspector before this one said. */
export interface Finding {
  readonly name: string
  readonly action: 'flag' | 'block'
  readonly reason: string
  readonly severity: Severity
}

export interface Body {
  /** As it was sent; of a response redacted and decompressed. A copy. */
  readonly bytes: Uint8Array
  readonly size: number
  /** Decompressed, in its charset. Made when it is asked for. */
  readonly text: string
  /** Of the bytes, in bits a byte. Made when it is asked for. */
  readonly entropy: number
}

/** A request, or one message of a WebSocket or gRPC stream. Holds placeholders, never live credentials. */
export interface Context {
  /** `inbound`: on its way to the workload. Host, method and URL are still those of the request. */
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: 'http/1.1' | 'h2' | 'websocket' | 'grpc'
  readonly method: string
  /** Absolute. */
  readonly url: string
  /** Lower case, without the port. */
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
  /** Names as they were sent, in their order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** '' when the head does not say. */
  readonly contentType: string
  readonly body: Body
  /** Verdicts so far that were not `pass`, oldest first. */
  readonly priorResults: readonly Finding[]
}

/** A response, or a part of one. */
export interface ResponseContext extends Context {
  readonly status: number
  /**
   * `whole`: head and body. `head`: the head of a stream (server-sent events, gRPC, a WebSocket), without a body.
   * `event`: one server-sent event, its lines as `body`. `trailers`: the fields behind the body, as `headers`.
   */
  readonly part: 'whole' | 'head' | 'event' | 'trailers'
}

/** A method that is absent has no opinion on that kind of traffic. Responses stream unless an inspector looks at them. */
export interface Inspector<Config = never> {
  readonly name: string
  /** Called once, before anything is inspected, with `config` of the configuration. What it throws stops the start. */
  configure?(config: Config): void | Promise<void>
  inspectRequest?(context: Context): Verdict | Promise<Verdict>
  inspectResponse?(context: ResponseContext): Verdict | Promise<Verdict>
  inspectMessage?(context: Context): Verdict | Promise<Verdict>
}

/** The inspector itself: for types without writing them. */
export function defineInspector<Config>(inspector: Inspector<Config>): Inspector<Config> {
  return inspector
}
