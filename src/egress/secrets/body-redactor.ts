import type { NeedleIndex } from './needle-index.ts'

/** What takes the place of a needle in a response, and the name of the secret it stands for. */
export interface Replacement {
  readonly name: string
  readonly bytes: Buffer
}

const NOTHING = Buffer.alloc(0)

/**
 * Replaces values by placeholders in a stream of bytes. Where values overlap, all bytes of each are taken out: what is
 * left never holds part of an occurrence. How the stream is cut into chunks makes no difference to the whole.
 * Held back is only what may be the start of a value, so a chunk that does not end in such a start leaves at once.
 */
export class BodyRedactor {
  readonly #values: NeedleIndex
  readonly #replacements: readonly Replacement[]
  readonly #redacted = new Set<string>()
  #held: Buffer = NOTHING
  /** How many of the held bytes belong to a value that has been replaced already. */
  #covered = 0
  #last: Replacement | undefined

  /** `replacements[n]` is for `values.needles[n]`. */
  constructor(values: NeedleIndex, replacements: readonly Replacement[]) {
    this.#values = values
    this.#replacements = replacements
  }

  /** Names of the secrets that were found so far. */
  get redacted(): ReadonlySet<string> {
    return this.#redacted
  }

  /** What may leave now; the chunk itself when nothing in it concerns us. May be empty. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    return this.#release(bytes, this.#values.unfinishedFrom(bytes))
  }

  /** The rest. The redactor is then as new, its `redacted` aside. */
  end(): Buffer {
    return this.#release(this.#held, this.#held.length)
  }

  /** Settles everything that starts before `limit`, and holds the rest. */
  #release(bytes: Buffer, limit: number): Buffer {
    let at = this.#values.indexOf(bytes)
    if (at === -1 && this.#covered === 0 && limit === bytes.length) {
      this.#held = NOTHING
      return bytes
    }
    const parts: Buffer[] = []
    while (at !== -1 && at < limit) {
      this.#cover(bytes, at, parts)
      at = this.#values.indexOf(bytes, at + 1)
    }
    if (this.#covered < limit) parts.push(bytes.subarray(this.#covered, limit))
    this.#covered = Math.max(0, this.#covered - limit)
    // A copy: a few held bytes must not keep a large chunk alive, nor change when its owner reuses it.
    this.#held = limit === bytes.length ? NOTHING : Buffer.from(bytes.subarray(limit))
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  #cover(bytes: Buffer, at: number, parts: Buffer[]): void {
    const found = this.#values.longestAt(bytes, at)
    const end = at + (this.#values.needles[found] as Buffer).length
    if (end <= this.#covered) return
    const replacement = this.#replacements[found] as Replacement
    const overlaps = at < this.#covered
    if (at > this.#covered) parts.push(bytes.subarray(this.#covered, at))
    if (!overlaps || replacement !== this.#last) parts.push(replacement.bytes)
    this.#redacted.add(replacement.name)
    this.#last = replacement
    this.#covered = end
  }
}
