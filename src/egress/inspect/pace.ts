import { setImmediate } from 'node:timers/promises'
import type { Steps } from './steps.ts'

/** Up to here work is done at once: what is as small as nearly all bodies is not worth a pause. */
const AT_ONCE_BYTES = 1_048_576

/** How long a piece of work goes on without a pause, in milliseconds: so long everything else waits. */
const TURN = 5

/** How long it may take in all, in milliseconds. */
const LONGEST = 60_000

/** For inspectors that work at a pace, which ends by itself in time. */
export const PACED_TIME_LIMIT = 2 * LONGEST

/**
 * The result of work, at once where it takes little, else with pauses in which all other requests go on: a body made to be
 * slow must stop nobody but itself. Rejects when it takes longer than a minute.
 */
export function paced<T>(steps: Steps<T>): T | Promise<T> {
  for (let bytes = 0; bytes < AT_ONCE_BYTES;) {
    const step = steps.next()
    if (step.done === true) return step.value
    bytes += step.value
  }
  return withPauses(steps, performance.now() + LONGEST)
}

async function withPauses<T>(steps: Steps<T>, end: number): Promise<T> {
  for (;;) {
    await setImmediate()
    const start = performance.now()
    if (start > end) throw new Error('it takes too long')
    while (performance.now() - start < TURN) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }
}
