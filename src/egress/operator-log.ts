import { LRUCache } from 'lru-cache'
import { TokenBucket } from '../policy/token-bucket.ts'

/** How long the same message is not said again. */
const QUIET_MS = 60_000

/** Different messages that are remembered. */
const REMEMBERED = 100

/** Messages at once, and how many each second may follow. */
const AT_ONCE = 30
const PER_SECOND = 1

/**
 * What the egress tells its operator, often on the terminal that the workload is used on. The workload can bring about
 * most messages, thousands each second: the same one is said once a minute, and of different ones only so many. What was
 * left out is counted.
 */
export class OperatorLog {
  readonly #say: (message: string) => void
  readonly #now: () => number
  readonly #bucket: TokenBucket
  /** When each was last said. */
  readonly #said = new LRUCache<string, number>({ max: REMEMBERED })
  #leftOut = 0

  /** `now` is a monotonic clock in milliseconds. */
  constructor(say: (message: string) => void, now: () => number) {
    this.#say = say
    this.#now = now
    this.#bucket = new TokenBucket(PER_SECOND, AT_ONCE, now())
  }

  readonly log = (message: string): void => {
    const now = this.#now()
    const last = this.#said.get(message)
    if ((last !== undefined && now - last < QUIET_MS) || !this.#bucket.take(now)) {
      this.#leftOut += 1
      return
    }
    this.#said.set(message, now)
    this.flush()
    this.#say(message)
  }

  /** Says how many were left out. */
  flush(): void {
    const count = this.#leftOut
    this.#leftOut = 0
    if (count > 0) this.#say(`${count} more ${count === 1 ? 'message was' : 'messages were'} left out`)
  }
}
