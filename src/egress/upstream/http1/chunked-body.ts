import { headerValue, type HeaderList } from '../../http/headers.ts'
import { parseFields } from './fields.ts'
import { HeadBlock } from './head-block.ts'
import { MalformedResponse } from './malformed.ts'

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b
const CRLF = Buffer.from('\r\n')

/** Bytes of a size line behind the size: extensions, which nobody uses and which make reading endless (CVE-2024-22019). */
const MAX_EXTENSION = 1024

const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"))?)*$/

/** Hexadecimal digits of a size, leading zeros included; twelve are 256 TiB. */
const MAX_DIGITS = 12

/** A body in chunks (RFC 9112 section 7.1), in however many pieces it comes. */
export class ChunkedBody {
  #state: 'size' | 'extension' | 'size end' | 'data' | 'data end' | 'data end LF' | 'trailers' | 'over' = 'size'
  #size = 0
  #digits = 0
  /** Of the size line, from the first `;` on. */
  #extensions = ''
  #trailerBlock: HeadBlock | undefined
  #trailers: HeaderList = []

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** The fields behind the last chunk, once it is over. */
  get trailers(): HeaderList {
    return this.#trailers
  }

  /** Gives the contents to `onData`. Returns the index behind what belongs to the body. Throws MalformedResponse. */
  push(chunk: Buffer, from: number, onData: (bytes: Buffer) => void): number {
    let at = from
    while (at < chunk.length && this.#state !== 'over') {
      if (this.#state === 'data') at = this.#takeData(chunk, at, onData)
      else if (this.#state === 'trailers') at = this.#takeTrailers(chunk, at)
      else this.#takeByte(chunk[at++] as number)
    }
    return at
  }

  #takeData(chunk: Buffer, at: number, onData: (bytes: Buffer) => void): number {
    const end = Math.min(chunk.length, at + this.#size)
    onData(chunk.subarray(at, end))
    this.#size -= end - at
    if (this.#size === 0) this.#state = 'data end'
    return end
  }

  #takeTrailers(chunk: Buffer, at: number): number {
    this.#trailerBlock ??= new HeadBlock(CRLF, CRLF) // The end of the last size line: an empty line may follow at once.
    const end = this.#trailerBlock.push(chunk, at)
    if (end === -1) return chunk.length
    this.#trailers = parseFields(this.#trailerBlock.text, CRLF.length)
    // RFC 9110 section 6.5.1: whoever merged these into the head would read another message.
    for (const name of ['content-length', 'transfer-encoding'])
      if (headerValue(this.#trailers, name) !== undefined)
        throw new MalformedResponse('a trailer says where the body ends')
    this.#state = 'over'
    return end
  }

  #takeByte(byte: number): void {
    switch (this.#state) {
      case 'size':
        return this.#takeDigit(byte)
      case 'extension':
        return this.#takeExtension(byte)
      case 'size end':
        this.#expect(byte, LF)
        if (!EXTENSIONS.test(this.#extensions)) throw new MalformedResponse('a chunk extension is malformed')
        this.#digits = 0
        this.#extensions = ''
        this.#state = this.#size === 0 ? 'trailers' : 'data'
        return
      case 'data end':
        this.#expect(byte, CR)
        this.#state = 'data end LF'
        return
      case 'data end LF':
        this.#expect(byte, LF)
        this.#state = 'size'
        return
      case 'data':
      case 'trailers':
      case 'over':
        throw new TypeError(`no byte by itself: ${this.#state}`)
    }
  }

  #takeDigit(byte: number): void {
    const digit = hexValue(byte)
    if (digit !== -1 && this.#digits < MAX_DIGITS) {
      this.#size = this.#size * 16 + digit
      this.#digits += 1
    } else if (this.#digits > 0 && byte === CR) this.#state = 'size end'
    else if (this.#digits > 0 && byte === SEMICOLON) {
      this.#state = 'extension'
      this.#extensions = ';'
    } else throw new MalformedResponse('the size of a chunk is malformed')
  }

  #takeExtension(byte: number): void {
    if (byte === CR) this.#state = 'size end'
    // A line end in one is refused where it stands, not when a CR comes at last.
    else if (byte === LF || this.#extensions.length === MAX_EXTENSION)
      throw new MalformedResponse('a chunk extension is malformed or too long')
    else this.#extensions += String.fromCharCode(byte)
  }

  #expect(byte: number, expected: number): void {
    if (byte !== expected) throw new MalformedResponse('a chunk is not as long as it says')
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
