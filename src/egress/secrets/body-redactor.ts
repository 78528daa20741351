import { canonicalBytes } from './canonical.ts'
import { looseHits, type Hit } from './loose-hits.ts'
import { withoutPauses, type Redaction } from './redaction.ts'

const NOTHING = Buffer.alloc(0)

/**
 * Replaces values by placeholders in a stream of bytes. Where values overlap, all bytes of each are taken out: what is
 * left never holds part of an occurrence. How the stream is cut into chunks makes no difference to the whole.
 * Held back is only what may be the start of a value, or belong to one that follows, so a chunk that does not end in
 * such leaves at once.
 */
export class BodyRedactor {
  readonly #redaction: Redaction
  readonly #redacted: Set<string>
  #held: Buffer = NOTHING
  /** How many of the held bytes belong to a value that has been replaced already. */
  #covered = 0
  #last: string | undefined

  constructor(redaction: Redaction, redacted = new Set<string>()) {
    this.#redaction = redaction
    this.#redacted = redacted
  }

  /** Names of the secrets that were found so far. */
  get redacted(): ReadonlySet<string> {
    return this.#redacted
  }

  /** What may leave now; the chunk itself when nothing in it concerns us. May be empty. */
  push(chunk: Buffer): Buffer {
    return this.#release(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), false)
  }

  /** A text that is whole; itself when nothing in it concerns us. */
  whole(bytes: Buffer): Buffer {
    if (holdsNothing(this.#redaction, bytes)) return bytes
    return new BodyRedactor(withoutPauses(this.#redaction), this.#redacted).#release(bytes, true)
  }

  /** The rest. The redactor is then as new, its `redacted` aside. */
  end(): Buffer {
    return this.#release(this.#held, true)
  }

  /** Settles everything that starts before a limit, and holds the rest. */
  #release(bytes: Buffer, isLast: boolean): Buffer {
    const { hits, limit } = this.#search(bytes, isLast)
    if (hits.length === 0 && this.#covered === 0 && limit === bytes.length) {
      this.#held = NOTHING
      return bytes
    }
    const parts: Buffer[] = []
    for (const hit of hits) if (hit.start < limit) this.#cover(bytes, hit, parts)
    if (this.#covered < limit) parts.push(bytes.subarray(this.#covered, limit))
    this.#covered = Math.max(0, this.#covered - limit)
    // A copy: a few held bytes must not keep a large chunk alive, nor change when its owner reuses it.
    this.#held = limit === bytes.length ? NOTHING : Buffer.from(bytes.subarray(limit))
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** By start, the longest first. */
  #search(bytes: Buffer, isLast: boolean): { readonly hits: readonly Hit[]; readonly limit: number } {
    const { exact, loose } = this.#redaction
    const exactHits = this.#exactHits(bytes)
    const exactLimit = isLast ? bytes.length : exact.unfinishedFrom(bytes)
    if (loose.isEmpty || bytes.length === 0) return { hits: exactHits, limit: exactLimit }
    const found = looseHits(this.#redaction, bytes, isLast)
    const limit = exactLimit < found.limit ? found.floor(exactLimit) : found.limit
    if (found.hits.length === 0) return { hits: exactHits, limit }
    const hits = [...exactHits, ...notExact(found.hits, exactHits)]
    return { hits: hits.toSorted((a, b) => a.start - b.start || b.end - a.end), limit }
  }

  #exactHits(bytes: Buffer): readonly Hit[] {
    const { exact, replacements } = this.#redaction
    const hits: Hit[] = []
    for (let at = exact.indexOf(bytes); at !== -1; at = exact.indexOf(bytes, at + 1)) {
      const found = exact.longestAt(bytes, at)
      const replacement = replacements[found]
      if (replacement !== undefined)
        hits.push({ ...replacement, start: at, end: at + (exact.needles[found] as Buffer).length })
    }
    return hits
  }

  #cover(bytes: Buffer, { start, end, name, bytes: placeholder }: Hit, parts: Buffer[]): void {
    if (end <= this.#covered) return
    const overlaps = start < this.#covered
    if (start > this.#covered) parts.push(bytes.subarray(this.#covered, start))
    if (!overlaps || name !== this.#last) parts.push(placeholder)
    this.#redacted.add(name)
    this.#last = name
    this.#covered = end
  }
}

/**
 * Whether a text that is whole holds no value in any form: what is almost always so, found without asking where in it
 * anything stands.
 */
function holdsNothing({ exact, loose, shortest }: Redaction, bytes: Buffer): boolean {
  if (bytes.length < shortest) return true
  return exact.indexOf(bytes) === -1 && (loose.isEmpty || loose.indexOf(canonicalBytes(bytes)) === -1)
}

/** Without those that hold an exact hit of the same secret: of that it is known how it was written. Both by start. */
function notExact(hits: readonly Hit[], exactHits: readonly Hit[]): readonly Hit[] {
  let next = 0
  return hits.filter(({ name, start, end }) => {
    while (next < exactHits.length && (exactHits[next] as Hit).start < start) next += 1
    const inner = exactHits[next]
    return inner === undefined || inner.name !== name || inner.end > end
  })
}
