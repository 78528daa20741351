import { Duplex, type Readable, type Transform } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'

/** More codings than this on one body serve nobody but an attacker: each costs a window of memory. */
const MAX_STACKED = 3

/** Bytes of output at a time: fewer turns of the thread pool than with the default of 16 KiB. */
const CHUNK = { chunkSize: 65_536 }

/** RFC 9659 section 3: a window of 8 MiB is the most that the coding `zstd` may need. */
const ZSTD = { ...CHUNK, params: { [constants.ZSTD_d_windowLogMax]: 23 } }

/** A coding: how to open the decompressor for a body that begins with this byte. */
interface Coding {
  open(firstByte: number): Decompressor
  /** Whether a body may be several compressed streams on end that Node does not take apart by itself. */
  readonly concatenates?: true
}

interface Decompressor extends Transform {
  /** Bytes of input that were used up. */
  readonly bytesWritten: number
}

const CODINGS: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['gzip', { open: () => createGunzip(CHUNK) }],
  ['x-gzip', { open: () => createGunzip(CHUNK) }],
  ['deflate', { open: (firstByte) => (isZlib(firstByte) ? createInflate(CHUNK) : createInflateRaw(CHUNK)) }],
  ['br', { open: () => createBrotliDecompress(CHUNK) }],
  ['zstd', { open: () => createZstdDecompress(ZSTD), concatenates: true }],
])

/**
 * The streams that undo a `Content-Encoding`, in the order in which a body has to go through them; none for
 * `identity` or ''. Undefined when a coding is unknown or there are too many: such a body must not be passed on
 * unseen. Each stream gives out what it can decode as it arrives, honours back-pressure, and fails when the body is
 * malformed or ends too early. An empty body is empty in every coding.
 */
export function decodersFor(contentEncoding: string): readonly Duplex[] | undefined {
  const names = listItems(contentEncoding).filter((name) => name !== 'identity')
  const codings = names.map((name) => CODINGS.get(name)).filter((coding) => coding !== undefined)
  if (codings.length !== names.length || codings.length > MAX_STACKED) return undefined
  // RFC 9110 section 8.4: listed in the order in which they were applied.
  return codings.toReversed().map((coding) => new Decoder(coding))
}

/**
 * An `Accept-Encoding` value without the codings that `decodersFor` does not know, weights kept; `identity` when
 * none is left. `*` goes unless it forbids: it would invite what we cannot read.
 */
export function acceptableCodings(acceptEncoding: string): string {
  const kept = listItems(acceptEncoding).filter((item) => {
    const match = /^([a-z0-9*-]+)[ \t]*(?:;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/.exec(item)
    const coding = match?.[1] ?? ''
    return CODINGS.has(coding) || coding === 'identity' || (coding === '*' && Number(match?.[2] ?? 1) === 0)
  })
  return kept.length === 0 ? 'identity' : kept.join(', ')
}

/**
 * A decompressor that takes an empty body, looks at the first byte, and goes on where a body is several compressed
 * streams on end (RFC 8878 section 3): Node ends at the first when the next begins in the same chunk.
 */
class Decoder extends Duplex {
  readonly #coding: Coding
  #inner: Decompressor | undefined
  #isOver = false

  constructor(coding: Coding) {
    super()
    this.#coding = coding
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Browsers ignore what follows the end of a deflate or brotli stream; it is not passed on either.
    if (this.#isOver || chunk.length === 0) return done()
    const inner = (this.#inner ??= this.#start(chunk[0] as number))
    const before = inner.bytesWritten
    inner.write(chunk, (error) => {
      if (error) return // `#start` has destroyed this stream with the same error.
      const rest = chunk.subarray(inner.bytesWritten - before)
      if (rest.length === 0) return done()
      if (this.#coding.concatenates) {
        return whenEnded(inner, () => {
          inner.destroy()
          this.#inner = undefined
          this._write(rest, 'binary', done)
        })
      }
      this.#isOver = true
      whenEnded(inner, () => this.push(null))
      done()
    })
  }

  override _final(done: (error?: Error | null) => void): void {
    const inner = this.#inner
    if (inner === undefined) this.push(null)
    else if (!this.#isOver) {
      whenEnded(inner, () => this.push(null))
      inner.end()
    }
    done()
  }

  override _read(): void {
    this.#inner?.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner?.destroy()
    done(error)
  }

  #start(firstByte: number): Decompressor {
    const inner = this.#coding.open(firstByte)
    inner.on('data', (data: Buffer) => {
      if (!this.push(data)) inner.pause()
    })
    inner.on('error', (error) => this.destroy(error))
    return inner
  }
}

/** Runs `next` when `stream` has given out everything, which may already be so. */
function whenEnded(stream: Readable, next: () => void): void {
  if (stream.readableEnded) next()
  else stream.once('end', next)
}

function listItems(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim().toLowerCase())
    .filter((item) => item !== '')
}

/**
 * RFC 9110 section 8.4.1.2: `deflate` is the zlib format, but some servers send it without its header. RFC 1950: the low
 * four bits name the method, 8; a raw stream that begins so would be a stored block with padding that no encoder writes.
 */
function isZlib(firstByte: number): boolean {
  return (firstByte & 0x0f) === 8
}
