import type { Clock } from './timestamp.ts'

export interface Failure {
  readonly problem: string
  /** Whether it is worth trying again. */
  readonly mendable: boolean
}

/** Microseconds between two tries to mend. */
const PATIENCE = 1_000_000

/** Whether a log can be written, and when it is worth trying again. */
export class Health {
  readonly #clock: Clock
  #failure: Failure | undefined
  /** Microseconds since 1970. */
  #tried = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isGood(): boolean {
    return this.#failure === undefined
  }

  /** What is wrong with it. */
  get problem(): string {
    return this.#failure?.problem ?? 'it failed'
  }

  /** What cannot be mended stays so: a later, lesser failure must not lead to mending, which cuts the file. */
  fail(failure: Failure): void {
    if (this.#failure?.mendable === false) return
    this.#failure = failure
    this.#tried = this.#clock()
  }

  /** Calls `mend`, at most once a second, for a failure that can be mended. What `mend` returns still fails. */
  mendWith(mend: () => Failure | undefined): void {
    if (this.#failure?.mendable !== true) return
    const now = this.#clock()
    if (Math.abs(now - this.#tried) < PATIENCE) return
    this.#tried = now
    this.#failure = mend()
  }
}
