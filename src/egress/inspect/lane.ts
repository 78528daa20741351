/** So many at a time: what is decoded of each is in memory as long as it is looked at. */
const PLACES = 4

/** How long somebody waits for a place, in milliseconds. */
const LONGEST_WAIT = 60_000

/** Where looks at large bodies wait for each other, in the order of arrival. */
export class Lane {
  #free = PLACES
  readonly #waiting = new Set<() => void>()

  /** Undefined when there was no place in time. */
  async run<T>(look: () => T | Promise<T>): Promise<T | undefined> {
    if (!(await this.#enter())) return undefined
    try {
      return await look()
    } finally {
      this.#leave()
    }
  }

  #enter(): Promise<boolean> | boolean {
    if (this.#free > 0) {
      this.#free -= 1
      return true
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(take)
        resolve(false)
      }, LONGEST_WAIT)
      const take = (): void => {
        clearTimeout(timer)
        resolve(true)
      }
      this.#waiting.add(take)
    })
  }

  /** The place goes to who waits longest. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free += 1
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}
