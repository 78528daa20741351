import { isAscii } from 'node:buffer'
import { hash } from 'node:crypto'
import { shannonEntropy } from '../shannon.ts'
import { unpacked } from './archives.ts'
import { base32Text } from './base32.ts'
import { base64Text, hasRun, LEAST_RUN } from './base64.ts'
import { bodyParts, type BodyPart } from './body-parts.ts'
import { announcedCoding, codingsOf, decompress, decompressAnnounced, type Decompressed } from './compression.ts'
import { embeddedArchives, embeddedStreams, MAX_EMBEDDED, rawStreams, type Embedded } from './embedded.ts'
import { unescaped } from './escapes.ts'
import { hexText } from './hex.ts'
import { dumpedColumns } from './dump-lines.ts'
import { listedBytes } from './number-lists.ts'
import { uuencodedBytes } from './uuencode.ts'
import { DECODE_LIMITS, type DecodeLimits } from './limits.ts'
import { fromQuotedPrintable } from './quoted-printable.ts'
import { joinedPieces } from './even-pieces.ts'
import { foldedText, recoded, wideText, type Recoded } from './unicode.ts'
import { headViews, type Head } from './known-heads.ts'
import { View } from './view.ts'

/** What is looked at. For a message of a stream only the body: its head was looked at before. */
export interface Content extends Head {
  readonly contentType: string
  /** `Content-Encoding`; '' when there is none. */
  readonly contentEncoding: string
  readonly body: Buffer
}

/** A form of some content, and what was undone to get it. */
interface Undone {
  readonly encodings: readonly string[]
  readonly bytes: Buffer
  /** Whether it is the same text with escapes resolved, and not what was packed into a text. */
  readonly isEscape?: boolean
}

const LEAST_BYTES = 16

/** The shortest run of letters that is looked at as hexadecimal; in base32, or as a compressed stream, it is longer. */
const LEAST_LETTERS = 24

/** Compressed streams that are opened in all views, and how much of one is read for them, in times its size. */
const MOST_STREAMS = 4096
const MOST_READ = 4
const LEAST_READ = 4096

/** So that what only counts where a part begins is seen there. */
const BETWEEN = Buffer.from('\r\n\r\n')

/**
 * Text about escapes, in JSON in JSON, takes several rounds, each of which is short: sources that an agent edits must
 * not count as nesting. No text takes so many.
 */
const MOST_ROUNDS = 16

/**
 * Every view of one exchange's or message's content, as sent and decoded, made when asked for and kept for the next who
 * asks. What cannot be undone within the limits is not passed over: `isTooDeep`, `isTooLarge` and `undecodable` say so,
 * after the last view was taken.
 */
export class ContentViews implements Iterable<View> {
  readonly #content: Content
  readonly #limits: DecodeLimits
  readonly #surface: readonly View[]
  readonly #views: View[] = []
  readonly #seen = new Set<string>()
  /** Streams in which what looked like escapes was resolved: opened they give noise, and were opened before. */
  readonly #spoilt = new Set<Buffer>()
  #source: Generator<View | number> | undefined
  #plain: View | undefined
  #parts: readonly BodyPart[] | undefined
  /** Whether something follows the compressed stream that the body is. */
  #hasRest = false
  #text: string | undefined
  #entropy: number | undefined
  #bytesLeft: number
  #isComplete = false
  #isTooDeep = false
  #isTooLarge = false
  #isTooMany = false
  #streamsLeft = MOST_STREAMS
  #undecodable: string | undefined
  #unknownCharset: string | undefined

  /** `surface`: the views of URL, host and header fields, where there are some already. */
  constructor(
    content: Content,
    {
      limits = DECODE_LIMITS,
      surface,
    }: { readonly limits?: DecodeLimits | undefined; readonly surface?: readonly View[] | undefined } = {},
  ) {
    this.#content = content
    this.#limits = limits
    this.#surface = surface ?? headViews(content)
    this.#bytesLeft = limits.maxBytes(content.body.length)
  }

  /** Whether something lies below the last layer that is undone. */
  get isTooDeep(): boolean {
    return this.#isTooDeep
  }

  /** Whether something was left undecoded for its number. */
  get isTooMany(): boolean {
    return this.#isTooMany
  }

  /** Whether something was left undecoded for its size. */
  get isTooLarge(): boolean {
    return this.#isTooLarge
  }

  /** The `Content-Encoding` that the body turned out not to be readable in. */
  get undecodable(): string | undefined {
    return this.#undecodable
  }

  /** A charset that the media type names and nobody knows. */
  get unknownCharset(): string | undefined {
    return this.#unknownCharset
  }

  /** Bytes that were decoded so far. */
  get decodedBytes(): number {
    return this.#limits.maxBytes(this.#content.body.length) - this.#bytesLeft
  }

  /** The body with its content codings undone, or as it was sent when they cannot be. */
  get plain(): Buffer {
    return this.#plainView().bytes
  }

  /** The plain body as text: in its charset, else as UTF-8, else one character a byte. */
  get text(): string {
    this.#text ??= this.#recoded()[0]?.bytes?.toString() ?? this.#plainView().text
    return this.#text
  }

  /** Of the body as it was sent, in bits a byte. */
  get entropy(): number {
    this.#entropy ??= shannonEntropy(this.#content.body)
    return this.#entropy
  }

  /**
   * The fields and files of the body, or the body itself, as of this `Content-Type`: the same for all who ask. Bytes behind
   * the end of a compressed stream would be seen by nobody, so such a body counts as it was sent.
   */
  partsAs(contentType: string): readonly BodyPart[] {
    const { bytes } = this.#plainView()
    this.#parts ??= bodyParts(contentType, this.#hasRest ? this.#content.body : bytes)
    return this.#parts
  }

  [Symbol.iterator](): Iterator<View> {
    return this.#isComplete ? this.#views[Symbol.iterator]() : this.#taken()
  }

  *#taken(): Generator<View> {
    for (const view of this.paced()) if (typeof view !== 'number') yield view
  }

  /** The views, and between them, as numbers of bytes that were looked at, places to pause. */
  *paced(): Generator<View | number> {
    this.#source ??= this.#all()
    for (let index = 0; ; index += 1) {
      while (index === this.#views.length) {
        const next = this.#source.next()
        if (next.done === true) {
          this.#isComplete = true
          return
        }
        if (typeof next.value === 'number') yield next.value
        else this.#views.push(next.value)
      }
      yield this.#views[index] as View
    }
  }

  /** Breadth first: what is nearest to the surface is seen first. */
  *#all(): Generator<View | number> {
    const queue: View[] = []
    for (const view of this.#surface) {
      yield view
      queue.push(view)
    }
    if (this.#content.body.length > 0) {
      const plain = this.#plainView()
      if (plain.bytes !== this.#content.body) yield new View('body', this.#content.body)
      yield plain
      for (const { charset, bytes } of this.#recoded()) {
        if (bytes === undefined) this.#unknownCharset ??= charset
        const child = bytes && this.#child(plain, { encodings: [charset], bytes })
        if (child === undefined) continue
        yield child
        queue.push(child)
      }
      queue.push(plain)
    }
    for (let view = queue.shift(); view !== undefined; view = queue.shift()) {
      for (const child of this.#decodings(view)) {
        yield child
        if (typeof child !== 'number') queue.push(child)
      }
    }
  }

  #plainView(): View {
    this.#plain ??= this.#withoutContentEncoding(new View('body', this.#content.body))
    return this.#plain
  }

  #recoded(): readonly Recoded[] {
    return recoded(this.plain, this.#content.contentType)
  }

  #withoutContentEncoding(body: View): View {
    const { contentEncoding } = this.#content
    if (contentEncoding === '') return body
    const codings = codingsOf(contentEncoding)
    if (codings === undefined) this.#undecodable = contentEncoding
    let view = body
    for (const coding of codings ?? []) {
      const decoded = decompress(coding, view.bytes, this.#bytesLeft)
      if (decoded.kind !== 'bytes') {
        this.#undecodable = contentEncoding
        return body
      }
      this.#bytesLeft -= decoded.bytes.length
      if (decoded.used < view.bytes.length) this.#hasRest = true
      view = new View('body', decoded.bytes, { encodings: [...view.encodings, coding], depth: 0 })
    }
    return view
  }

  *#decodings(view: View): Generator<View | number> {
    if (view.isBare) return
    let isBare = !this.#isCut
    for (const undone of this.#undone(view)) {
      if (typeof undone === 'number') {
        yield undone
        continue
      }
      isBare = false
      yield undone.bytes.length
      const child = this.#child(view, undone)
      if (child !== undefined) yield child
    }
    view.isBare = isBare && !this.#isCut
  }

  *#undone({ bytes, depth, encodings }: View): Generator<Undone | number> {
    // Shorter than any credential.
    if (bytes.length < LEAST_BYTES) return
    const escapes = yield* unescaped(bytes)
    if (escapes !== undefined) {
      if (rawStreams(escapes.bytes) <= rawStreams(bytes)) this.#spoilt.add(escapes.bytes)
      yield { encodings: escapes.kinds, bytes: escapes.bytes, isEscape: true }
    }
    const folded = yield* foldedText(bytes)
    if (folded !== undefined) yield { encodings: ['unicode'], bytes: folded, isEscape: true }
    // Most text has no run of letters that long: then one look at it is enough for all that is written in letters.
    const isRunning = hasRun(bytes, LEAST_RUN)
    const fromBase64 = isRunning ? yield* base64Text(bytes) : undefined
    if (fromBase64 !== undefined) yield { encodings: ['base64'], bytes: fromBase64 }
    const hasLongRun = isRunning && hasRun(bytes, LEAST_LETTERS)
    if (hasLongRun) yield* this.#fromLetters(bytes)
    if (depth < this.#limits.maxDepth && !isShown(encodings)) yield* shown(bytes, encodings.includes('dump'))
    const printable = fromQuotedPrintable(bytes)
    if (printable !== undefined) {
      if (rawStreams(printable) <= rawStreams(bytes)) this.#spoilt.add(printable)
      yield { encodings: ['quoted-printable'], bytes: printable, isEscape: true }
    }
    const narrow = yield* wideText(bytes)
    if (narrow !== undefined) yield { encodings: ['wide'], bytes: narrow }
    if (depth >= this.#limits.maxDepth && isPutTogether(encodings)) return
    // Streams and archives are bytes that are not ASCII, or written in letters.
    if (!hasLongRun && isAscii(bytes) && announcedCoding(bytes) === undefined) return
    yield* this.#inflated(bytes, depth)
    yield* this.#unpacked(bytes, depth)
  }

  *#fromLetters(bytes: Buffer): Generator<Undone | number> {
    const fromHex = yield* hexText(bytes)
    if (fromHex !== undefined) yield { encodings: ['hex'], bytes: fromHex }
    const fromBase32 = yield* base32Text(bytes)
    if (fromBase32 !== undefined) yield { encodings: ['base32'], bytes: fromBase32 }
  }

  *#unpacked(bytes: Buffer, depth: number): Generator<Undone | number> {
    const isLast = depth >= this.#limits.maxDepth
    for (const [count, archive] of [{ encodings: [], bytes }, ...embeddedArchives(bytes)].entries()) {
      if (count === 0 && this.#spoilt.has(bytes)) continue
      if (count > MAX_EMBEDDED) {
        this.#isTooMany = true
        return
      }
      for (const { name, bytes: content, cut } of yield* unpacked(archive.bytes, isLast ? 0 : this.#bytesLeft)) {
        if (cut === 'count') this.#isTooMany = true
        else if (cut === 'size') this.#leave(isLast)
        if (content.length > 0) yield { encodings: [...archive.encodings, name], bytes: content }
      }
    }
  }

  *#inflated(bytes: Buffer, depth: number): Generator<Undone | number> {
    const more: Buffer[] = []
    let moreLeft = this.#bytesLeft - BETWEEN.length
    let count = 0
    let readLeft = bytes.length * MOST_READ + LEAST_READ
    for (const stream of streamsOf(bytes)) {
      if (stream.encodings.length === 0 && this.#spoilt.has(bytes)) continue
      const coding = announcedCoding(stream.bytes)
      if (coding === undefined) continue
      const isLast = depth >= this.#limits.maxDepth
      if (isLast) return this.#leave(true)
      if (this.#streamsLeft === 0 || readLeft <= 0) {
        this.#isTooMany = true
        break
      }
      count += 1
      this.#streamsLeft -= 1
      const decoded = decompressAnnounced(coding, stream.bytes, this.#bytesLeft)
      readLeft -= costOf(stream, decoded)
      yield LEAST_READ
      if (decoded.kind === 'over') this.#leave(false)
      if (decoded.kind !== 'bytes' || decoded.bytes.length === 0) continue
      if (count <= MAX_EMBEDDED) yield { encodings: [...stream.encodings, coding], bytes: decoded.bytes }
      else if (decoded.bytes.length > moreLeft) {
        this.#leave(false)
        break
      } else {
        moreLeft -= decoded.bytes.length + BETWEEN.length
        more.push(decoded.bytes, BETWEEN)
      }
    }
    // A text with thousands of streams in it, such as an archive of manuals, is one content more, and not thousands.
    if (more.length > 0) yield { encodings: ['streams'], bytes: Buffer.concat(more) }
  }

  get #isCut(): boolean {
    return this.#isTooDeep || this.#isTooLarge || this.#isTooMany
  }

  #leave(isTooDeep: boolean): void {
    if (isTooDeep) this.#isTooDeep = true
    else this.#isTooLarge = true
  }

  /** Undefined when it was seen before, or when it is past a limit. */
  #child(parent: View, { encodings, bytes, isEscape = false }: Undone): View | undefined {
    const key = hash('sha1', bytes, 'base64')
    if (this.#seen.has(key)) return undefined
    const rounds = isEscape ? parent.rounds + 1 : 0
    const depth = rounds > 1 ? parent.depth : parent.depth + 1
    const isTooDeep = depth > this.#limits.maxDepth || rounds > MOST_ROUNDS
    if (isTooDeep && isPutTogether(parent.encodings)) return undefined
    if (isTooDeep || bytes.length > this.#bytesLeft || this.#seen.size >= this.#limits.maxViews) {
      if (!isTooDeep && bytes.length <= this.#bytesLeft) this.#isTooMany = true
      else this.#leave(isTooDeep)
      return undefined
    }
    this.#seen.add(key)
    this.#bytesLeft -= bytes.length
    return new View(parent.origin, bytes, { encodings: [...parent.encodings, ...encodings], depth, rounds })
  }
}

/** What was read from a list or put together is no list or dump again. */
function isShown(encodings: readonly string[]): boolean {
  return encodings.includes('numbers') || encodings.includes('pieces')
}

/** Of that much is there by chance, such as columns of identifiers: what seems to lie below the last layer is no nesting. */
function isPutTogether(encodings: readonly string[]): boolean {
  return isShown(encodings) || encodings.includes('dump')
}

/** What programs show bytes as, or cut text into. */
function* shown(bytes: Buffer, isDump: boolean): Generator<Undone | number> {
  const columns = isDump ? undefined : yield* dumpedColumns(bytes)
  if (columns !== undefined) {
    yield { encodings: ['dump'], bytes: columns }
    // It is all a dump, and looked at without offsets.
    if (columns.length > bytes.length / 3) return
  }
  const numbers = yield* listedBytes(bytes)
  if (numbers !== undefined) yield { encodings: ['numbers'], bytes: numbers }
  const joined = yield* joinedPieces(bytes)
  if (joined !== undefined) yield { encodings: ['pieces'], bytes: joined }
  const uuencoded = yield* uuencodedBytes(bytes)
  if (uuencoded !== undefined) yield { encodings: ['uuencode'], bytes: uuencoded }
}

/** What was written in letters is a copy of all that follows; of what is broken nobody says how much was read. */
function costOf({ encodings, bytes }: Undone, decoded: Decompressed): number {
  if (encodings.length > 0) return bytes.length
  return decoded.kind === 'bytes' ? decoded.used : Math.min(bytes.length, BROKEN)
}

const BROKEN = 65_536

/** The bytes themselves and what is embedded in them, as far as somebody asks: each may be a copy of all that follows. */
function* streamsOf(bytes: Buffer): Generator<Embedded> {
  yield { encodings: [], bytes }
  yield* embeddedStreams(bytes)
}
