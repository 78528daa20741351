import { isUtf8 } from 'node:buffer'

/** Content in one of the forms in which it can be read: as it was sent, or with encodings undone. */
export class View {
  /** `url` (path and query), `host`, `headers` (names and values, NUL between them) or `body`. */
  readonly origin: string
  /** What was undone, outermost first, such as `gzip`, `backslash`, `base64`; empty for content as it was sent. */
  readonly encodings: readonly string[]
  readonly bytes: Buffer
  /** Layers undone, without those of `Content-Encoding`. */
  readonly depth: number
  #text: string | undefined

  constructor(
    origin: string,
    bytes: Buffer,
    decoded: { readonly encodings: readonly string[]; readonly depth: number } = { encodings: [], depth: 0 },
  ) {
    this.origin = origin
    this.bytes = bytes
    this.encodings = decoded.encodings
    this.depth = decoded.depth
  }

  /** As UTF-8 where it is that, else one character a byte. */
  get text(): string {
    return (this.#text ??= isUtf8(this.bytes) ? this.bytes.toString() : this.bytes.toString('latin1'))
  }
}
