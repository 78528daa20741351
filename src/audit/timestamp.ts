/** Microseconds since 1970, whole. */
export type Clock = () => number

/** More than this between the two clocks means that somebody set the time; then the wall clock is right. */
const STEP_MICROSECONDS = 20_000

/** The wall clock, with the microseconds that `Date.now()` lacks taken from the clock that counts since the start. */
export function systemClock(): number {
  const wall = Date.now() * 1000
  const fine = Math.floor((performance.timeOrigin + performance.now()) * 1000)
  return Math.abs(fine - wall) < STEP_MICROSECONDS ? fine : wall
}

/** Makes `ts` of records: `2026-11-22T21:23:00.123456+00:00`, never earlier than the one before. */
export class Timestamps {
  readonly #clock: Clock
  #last: number
  #second = -1
  #prefix = ''

  /** `last` is the time of the last record that is there already, 0 when there is none. */
  constructor(clock: Clock, last: number) {
    this.#clock = clock
    this.#last = last
  }

  next(): string {
    const now = Math.max(this.#clock(), this.#last)
    const second = Math.floor(now / 1_000_000)
    if (second !== this.#second) {
      this.#prefix = new Date(second * 1000).toISOString().slice(0, 20)
      this.#second = second
    }
    this.#last = now
    return `${this.#prefix}${String(now - second * 1_000_000).padStart(6, '0')}+00:00`
  }
}

/** The inverse of `Timestamps.next`; NaN for anything else. */
export function parseTimestamp(ts: string): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})\+00:00$/.exec(ts)
  return match === null ? Number.NaN : Date.parse(`${match[1]}Z`) * 1000 + Number(match[2])
}
