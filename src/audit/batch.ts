import type { AuditEvent } from './record.ts'

/** What is recorded in one turn of the event loop, for one write. */
export class Batch {
  readonly #write: (events: readonly AuditEvent[]) => void
  #waiting: Waiting[] = []

  /** `write` takes all of them or throws. */
  constructor(write: (events: readonly AuditEvent[]) => void) {
    this.#write = write
  }

  /** Resolves when it was written, rejects with what `write` threw. */
  add(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ event, resolve, reject }) === 1) setImmediate(() => this.flush())
    })
  }

  flush(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    try {
      this.#write(waiting.map(({ event }) => event))
    } catch (error) {
      for (const { reject } of waiting) reject(error)
      return
    }
    for (const { resolve } of waiting) resolve()
  }
}

interface Waiting {
  readonly event: AuditEvent
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}
