const BUCKETS = 60
const BUCKET_MS = 60_000

/** Bytes of the last hour, counted by the minute: what is said of the oldest minute is late by less than one. */
export class HourWindow {
  readonly #buckets = new Float64Array(BUCKETS)
  #total = 0
  /** The minute of the newest bucket. */
  #minute = 0

  /** Bytes in the window. `now` in milliseconds. */
  used(now: number): number {
    this.#advance(now)
    return this.#total
  }

  add(bytes: number, now: number): void {
    this.#advance(now)
    this.#buckets[this.#minute % BUCKETS]! += bytes
    this.#total += bytes
  }

  /** Whole seconds until `bytes` fit below `limit`; an hour when they never do. */
  secondsUntil(bytes: number, limit: number, now: number): number {
    this.#advance(now)
    let left = this.#total
    for (let minute = this.#minute - BUCKETS + 1; minute <= this.#minute; minute++) {
      left -= this.#buckets[(minute + BUCKETS) % BUCKETS] as number
      if (left + bytes <= limit) return Math.max(1, Math.ceil(((minute + BUCKETS) * BUCKET_MS - now) / 1000))
    }
    return (BUCKETS * BUCKET_MS) / 1000
  }

  /** Empties the minutes that are over. A clock that was set back counts on in the minute it had reached. */
  #advance(now: number): void {
    const minute = Math.floor(now / BUCKET_MS)
    const passed = Math.min(minute - this.#minute, BUCKETS)
    if (passed <= 0) return
    for (let step = 1; step <= passed; step++) {
      const index = (minute - passed + step) % BUCKETS
      this.#total -= this.#buckets[index] as number
      this.#buckets[index] = 0
    }
    this.#minute = minute
  }
}
