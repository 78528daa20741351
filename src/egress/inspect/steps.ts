/** Work that may pause wherever it yields; what it yields is how many bytes it looked at since the last time. */
export type Steps<T> = Generator<number, T, void>

/** So many bytes are looked at between two pauses: a few milliseconds, whatever they are. */
export const STEP_BYTES = 65_536

/** All of it at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
