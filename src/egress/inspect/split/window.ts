import { LRUCache } from 'lru-cache'
import type { HeaderList } from '../../http/headers.ts'
import { PieceStream } from './piece-stream.ts'

/** With 2 KiB a place at most, 12 MiB in all. */
const ZONES = 64
const PLACES = 96

/** What was sent lately, in its places: to each zone, and to all of them together. Outlives reloads of the configuration. */
export class SplitWindow {
  readonly #zones = new LRUCache<string, Places>({ max: ZONES })
  /** By place, whatever the host. */
  readonly all = new Places()

  get zones(): number {
    return this.#zones.size
  }

  of(zone: string): Places {
    const known = this.#zones.get(zone)
    if (known !== undefined) return known
    const places = new Places()
    this.#zones.set(zone, places)
    return places
  }
}

/** The places of what one zone was sent; beyond a number the one unused longest is forgotten. */
export class Places {
  readonly #streams = new Map<string, PieceStream>()
  /** The fields of the latest request: most are the same in the next. */
  headers: HeaderList = []

  /** What came `age` milliseconds before `now` is forgotten. */
  at(place: string, now: number, age: number): PieceStream {
    const known = this.#streams.get(place)
    const stream = known === undefined || now - known.usedAt > age ? new PieceStream() : known
    stream.usedAt = now
    if (known === stream && this.#streams.size < PLACES / 2) return stream
    // Behind all others: a map keeps the order of insertion.
    this.#streams.delete(place)
    this.#streams.set(place, stream)
    if (this.#streams.size > PLACES) this.#forgetOldest()
    return stream
  }

  #forgetOldest(): void {
    for (const place of this.#streams.keys()) {
      this.#streams.delete(place)
      return
    }
  }
}
