import type { Finding } from '../inspector.ts'

/** What a thread is started with. */
export interface ThreadData {
  /** What the program is called in its stack traces and by `import.meta.url`. */
  readonly url: string
  readonly format: 'module' | 'module-typescript'
  readonly source: string
  readonly config: Readonly<Record<string, unknown>>
}

/** The kinds of traffic that an inspector of somebody's own may look at. */
export const CUSTOM_LOOKS = ['inspectRequest', 'inspectResponse', 'inspectMessage'] as const
export type CustomLook = (typeof CUSTOM_LOOKS)[number]

/** To the thread: something to look at. `body` is a copy, and moved. */
export interface Question {
  readonly id: number
  readonly look: CustomLook
  readonly context: QuestionContext
  readonly body: Uint8Array<ArrayBuffer>
}

export interface QuestionContext {
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: string
  readonly method: string
  readonly url: string
  readonly host: string
  readonly port: number
  readonly path: string
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly contentType: string
  readonly priorResults: readonly Finding[]
  /** Of responses. */
  readonly status?: number
  readonly part?: string
}

/** From the thread. Only these fields, of these types: what the program answers is copied into them. */
export type ThreadMessage =
  | { readonly kind: 'ready'; readonly looks: readonly CustomLook[] }
  | { readonly kind: 'unusable'; readonly reason: string }
  /** From here on the time for one look counts. */
  | { readonly kind: 'begun'; readonly id: number }
  | { readonly kind: 'verdict'; readonly id: number; readonly verdict: PlainVerdict }
  | { readonly kind: 'failed'; readonly id: number; readonly what: 'threw' | 'malformed'; readonly where: string }

export interface PlainVerdict {
  readonly kind: 'pass' | 'flag' | 'block'
  readonly reason: string
  readonly severity: 'info' | 'warning' | 'error' | 'critical'
}
