import { TokenBucket } from '../../policy/token-bucket.ts'

export type Transport = 'udp' | 'tcp'

export interface Client {
  readonly address: string
  readonly port: number
}

/** Something arrived that is not a query. `summary` stands for reports that were held back. */
export type MalformedReport =
  | { readonly kind: 'message'; readonly transport: Transport; readonly client: Client; readonly reason: string }
  /** A listening socket failed. */
  | { readonly kind: 'socket'; readonly transport: Transport; readonly reason: string }
  | { readonly kind: 'summary'; readonly count: number }

const PER_SECOND = 10

/** Passes reports on, at most ten a second and then a count: a flood of rubbish must not fill the audit disk. */
export class MalformedReports {
  readonly #listener: (report: MalformedReport) => void
  readonly #now: () => number
  readonly #bucket: TokenBucket
  #heldBack = 0
  #timer: NodeJS.Timeout | undefined

  /** `now` is a monotonic clock in milliseconds. */
  constructor(listener: (report: MalformedReport) => void, now: () => number) {
    this.#listener = listener
    this.#now = now
    this.#bucket = new TokenBucket(PER_SECOND, PER_SECOND, now())
  }

  add(report: MalformedReport): void {
    if (this.#bucket.take(this.#now())) return this.#pass(report)
    this.#heldBack += 1
    this.#timer ??= setTimeout(() => this.flush(), 1000).unref()
  }

  /** Reports what was held back, as a count. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const count = this.#heldBack
    this.#heldBack = 0
    if (count > 0) this.#pass({ kind: 'summary', count })
  }

  #pass(report: MalformedReport): void {
    try {
      this.#listener(report)
    } catch {
      // The message is refused either way; a full disk must not turn rubbish from the workload into a crash.
    }
  }
}
