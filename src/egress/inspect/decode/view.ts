import { isUtf8 } from 'node:buffer'

/** Content in one of the forms in which it can be read: as it was sent, or with encodings undone. */
export class View {
  /** `url` (path and query), `host`, `headers` (names and values, NUL between them) or `body`. */
  readonly origin: string
  /** What was undone, outermost first, such as `gzip`, `backslash`, `base64`; empty for content as it was sent. */
  readonly encodings: readonly string[]
  readonly bytes: Buffer
  /** Layers undone, without those of `Content-Encoding`. Escapes of escapes are one layer. */
  readonly depth: number
  /** Times that escapes were resolved last, one after the other; 0 when the last layer was something else. */
  readonly rounds: number
  /** Whether it is known that no encoding in it can be undone. */
  isBare = false
  #text: string | undefined
  #found: WeakMap<object, unknown> | undefined

  constructor(
    origin: string,
    bytes: Buffer,
    decoded: { readonly encodings: readonly string[]; readonly depth: number; readonly rounds?: number } = {
      encodings: [],
      depth: 0,
    },
  ) {
    this.origin = origin
    this.bytes = bytes
    this.encodings = decoded.encodings
    this.depth = decoded.depth
    this.rounds = decoded.rounds ?? 0
  }

  /** As UTF-8 where it is that, else one character a byte. */
  get text(): string {
    return (this.#text ??= isUtf8(this.bytes) ? this.bytes.toString() : this.bytes.toString('latin1'))
  }

  get isKept(): boolean {
    return this.#found !== undefined
  }

  /** From now on it is kept for heads that are the same: what is found out about it is found out once. */
  keep(): this {
    this.#found = new WeakMap()
    return this
  }

  /** What `look` says of the view. Where it is kept, `by` is asked once: its answer must depend on nothing but the view. */
  found<T>(by: object, look: (view: View) => T): T {
    const found = this.#found
    if (found === undefined) return look(this)
    if (!found.has(by)) found.set(by, look(this))
    return found.get(by) as T
  }
}
