/** Work that may pause wherever it yields; what it yields is how many bytes it looked at since the last time. */
export type Steps<T> = Generator<number, T, void>

/** So many bytes are looked at between two pauses: a few milliseconds, whatever they are. */
export const STEP_BYTES = 65_536

/** How far the work has come since its last pause: `if (pace.isDue(at)) yield pace.take(at)`. */
export class Pace {
  #due: number

  constructor(from = 0) {
    this.#due = from + STEP_BYTES
  }

  isDue(at: number): boolean {
    return at > this.#due
  }

  /** Bytes since the last pause; now is one. */
  take(at: number): number {
    const looked = at - this.#due + STEP_BYTES
    this.#due = at + STEP_BYTES
    return looked
  }
}

/** All of it at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
