import { MalformedResponse } from './malformed.ts'

const MAX_BYTES = 65_536
const NOTHING = Buffer.alloc(0)
const END = Buffer.from('\r\n\r\n')
const CR = 0x0d
const LF = 0x0a

/** Lines up to an empty one, in however many pieces they come: the head of a response, or its trailers. */
export class HeadBlock {
  readonly #opening: Buffer
  /** Twice as large as needed whenever it grows: a head that comes byte by byte is not copied for each. */
  #store: Buffer
  #length: number
  #text = ''

  /** What it has to begin with, and bytes of it that have come already. */
  constructor(opening: Buffer = NOTHING, held: Buffer = NOTHING) {
    this.#opening = opening
    this.#store = held
    this.#length = held.length
  }

  /** The lines, each with its CRLF, as Latin-1; without the empty one. */
  get text(): string {
    return this.#text
  }

  /** The index in `chunk` behind the block, or -1 while its end has not come. Throws MalformedResponse. */
  push(chunk: Buffer, from: number): number {
    if (this.#length > 0) return this.#pushMore(chunk, from)
    const end = chunk.indexOf(END, from)
    if (end === -1) return this.#pushMore(chunk, from)
    this.#take(chunk, from, end)
    return end + END.length
  }

  #pushMore(chunk: Buffer, from: number): number {
    const before = this.#length
    const bytes = this.#hold(chunk, from)
    const end = bytes.indexOf(END, Math.max(0, before - END.length + 1))
    if (end !== -1) {
      this.#take(bytes, 0, end)
      return from + end + END.length - before
    }
    this.#refuseHopeless(bytes, before)
    return -1
  }

  /** All bytes so far. Of a piece no more is kept than decides whether the block is too large. */
  #hold(chunk: Buffer, from: number): Buffer {
    const length = this.#length + Math.min(chunk.length - from, MAX_BYTES + END.length)
    if (length > this.#store.length) {
      const store = Buffer.allocUnsafe(Math.max(1024, 2 * length))
      this.#store.copy(store, 0, 0, this.#length)
      this.#store = store
    }
    chunk.copy(this.#store, this.#length, from)
    this.#length = length
    return this.#store.subarray(0, length)
  }

  #take(bytes: Buffer, from: number, end: number): void {
    if (end - from > MAX_BYTES) throw new MalformedResponse('the head or the trailers are too large')
    this.#text = bytes.toString('latin1', from, end + 2)
  }

  /** Nobody waits for the end of what cannot become a head any more: another protocol, a bare CR or LF, too much. */
  #refuseHopeless(bytes: Buffer, checked: number): void {
    if (bytes.length > MAX_BYTES) throw new MalformedResponse('the head or the trailers are too large')
    const opening = Math.min(bytes.length, this.#opening.length)
    if (bytes.compare(this.#opening, 0, opening, 0, opening) !== 0)
      throw new MalformedResponse('it does not begin like a response')
    for (let at = Math.max(0, checked - 1); at < bytes.length; at++) {
      const byte = bytes[at] as number
      const next = bytes[at + 1]
      const isBare = byte === LF ? bytes[at - 1] !== CR : byte === CR && next !== undefined && next !== LF
      if (isBare || byte === 0) throw new MalformedResponse('a line is malformed')
    }
  }
}
