import { MOST_LINE_BYTES } from './fields.ts'

/** A line of a log without its newline. `torn`: the input ended before the newline. */
export type LogLine =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'torn'; readonly bytes: Buffer }
  | { readonly kind: 'too-long' }

const NEWLINE = 0x0a

/** Cuts chunks into lines, holding no more than one line and one chunk. The lines of a chunk come together. */
export class LineSplitter {
  #pending: Buffer = Buffer.alloc(0)
  #skipping = false
  #unfinished = 0

  /** Bytes since the last newline. */
  get unfinished(): number {
    return this.#unfinished
  }

  push(chunk: Buffer): LogLine[] {
    const lines: LogLine[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.#finish(chunk.subarray(start, end)))
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
    return lines
  }

  /** What is left when the input has ended. */
  end(): LogLine | undefined {
    const line: LogLine = this.#skipping ? { kind: 'too-long' } : { kind: 'torn', bytes: this.#pending }
    const nothing = !this.#skipping && this.#pending.length === 0
    this.#forget()
    return nothing ? undefined : line
  }

  #finish(rest: Buffer): LogLine {
    const tooLong = this.#skipping || this.#pending.length + rest.length > MOST_LINE_BYTES
    const bytes = this.#pending.length === 0 ? rest : Buffer.concat([this.#pending, rest])
    this.#forget()
    return tooLong ? { kind: 'too-long' } : { kind: 'whole', bytes }
  }

  #keep(rest: Buffer): void {
    this.#unfinished += rest.length
    if (rest.length === 0 || this.#skipping) return
    this.#pending = Buffer.concat([this.#pending, rest])
    if (this.#pending.length <= MOST_LINE_BYTES) return
    this.#pending = Buffer.alloc(0)
    this.#skipping = true
  }

  #forget(): void {
    this.#pending = Buffer.alloc(0)
    this.#skipping = false
    this.#unfinished = 0
  }
}
