/** One thing that a probe does inside the cage; what it means is judged outside. */
export type Operation =
  /** Connects, sends, and reads until the other side ends or nothing comes. `proxied`: to the proxy that the environment names. */
  | {
      readonly kind: 'tcp'
      readonly id: string
      readonly host: string
      readonly port: number
      readonly send: string
      readonly proxied?: boolean
    }
  /** Sends a datagram, base64, and waits for an answer. */
  | {
      readonly kind: 'udp'
      readonly id: string
      readonly host: string
      readonly port: number
      readonly send: string
    }
  /** What a file holds, at most 64 KiB. */
  | { readonly kind: 'text'; readonly id: string; readonly path: string }
  /** Tries to make a file and removes it again. */
  | { readonly kind: 'write'; readonly id: string; readonly path: string }
  /** Files in a folder, two levels deep, that hold a text. */
  | { readonly kind: 'find'; readonly id: string; readonly path: string; readonly text: string }
  /** Whether variables are set. */
  | { readonly kind: 'env'; readonly id: string; readonly names: readonly string[] }

/** What came of it. */
export interface Outcome {
  readonly id: string
  /** `ok`: connected, answered, read, written. */
  readonly ok: boolean
  /** Text or base64 of what came; the names found, one a line. */
  readonly data: string
  /** System error, `timeout`, or ''. */
  readonly error: string
}
