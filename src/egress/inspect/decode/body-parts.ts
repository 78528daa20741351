import { entropyOf, histogramOf, type Histogram } from '../shannon.ts'
import { isPlainText } from './plain-text.ts'

/** A body, or a field or file of a multipart body, without the content coding. */
export interface BodyPart {
  /** Lower case, without parameters; '' when it does not say. */
  readonly type: string
  readonly bytes: Buffer
  /** Whether it is ASCII without control characters but white space: then there is little else to ask of it. */
  readonly isPlain: boolean
  readonly histogram: Histogram
  /** Bits a byte. */
  readonly entropy: number
}

/** Beyond, the rest of a multipart body is one part. */
const MAX_PARTS = 1000

const MAX_PART_HEAD = 8192

/**
 * What a body without content coding holds, as of this `Content-Type`; none when it is empty. Every byte of a multipart
 * body that is content is in some part.
 */
export function bodyParts(contentType: string, bytes: Buffer): readonly BodyPart[] {
  if (bytes.length === 0) return []
  const type = essenceOf(contentType)
  const boundary = type.startsWith('multipart/')
    ? /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
    : null
  const delimiter = boundary === null ? '' : `--${boundary[1] ?? boundary[2]}`
  return (delimiter === '' ? undefined : multipart(delimiter, bytes)) ?? [part(type, bytes)]
}

/** The media type in lower case, without parameters. */
function essenceOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

function part(type: string, bytes: Buffer): BodyPart {
  return new MeasuredPart(type, bytes)
}

/** Measured when somebody asks. */
class MeasuredPart implements BodyPart {
  readonly type: string
  readonly bytes: Buffer
  #isPlain: boolean | undefined
  #histogram: Histogram | undefined
  #entropy: number | undefined

  constructor(type: string, bytes: Buffer) {
    this.type = type
    this.bytes = bytes
  }

  get isPlain(): boolean {
    return (this.#isPlain ??= isPlainText(this.bytes))
  }

  get histogram(): Histogram {
    return (this.#histogram ??= histogramOf(this.bytes))
  }

  get entropy(): number {
    return (this.#entropy ??= entropyOf(this.histogram))
  }
}

/** Fields and files (RFC 2046 section 5.1), and what stands before and behind them; undefined if it is no multipart body. */
function multipart(delimiter: string, bytes: Buffer): readonly BodyPart[] | undefined {
  const first = startsWithText(bytes, delimiter) ? 0 : bytes.indexOf(`\r\n${delimiter}`) + 2
  if (first === 1) return undefined
  const parts: BodyPart[] = first > 0 ? [part('', bytes.subarray(0, first))] : []
  let at = first + delimiter.length
  while (bytes[at] !== 0x2d || bytes[at + 1] !== 0x2d) {
    const end = parts.length < MAX_PARTS ? bytes.indexOf(`\r\n${delimiter}`, at) : -1
    const read = entity(bytes.subarray(at, end === -1 ? bytes.length : end))
    parts.push(...read)
    if (end === -1) return parts
    at = end + 2 + delimiter.length
  }
  const epilogue = bytes.subarray(at + 2)
  return epilogue.length > 2 ? [...parts, part('', epilogue)] : parts
}

/** A part's content, and its head where that is longer than heads are: then it is content in disguise. */
function entity(bytes: Buffer): readonly BodyPart[] {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return [part('', bytes)]
  const head = bytes.toString('latin1', 0, Math.min(headEnd, MAX_PART_HEAD))
  const declared = /\r\ncontent-type:[ \t]*([^\r\n]*)/i.exec(head)?.[1]
  const isFile = /\r\ncontent-disposition:[^\r\n]*filename/i.test(head)
  const type = declared === undefined ? (isFile ? '' : 'text/plain') : essenceOf(declared)
  const content = part(type, bytes.subarray(headEnd + 4))
  return headEnd > 512 ? [part('', bytes.subarray(0, headEnd)), content] : [content]
}

function startsWithText(bytes: Buffer, text: string): boolean {
  return bytes.toString('latin1', 0, text.length) === text
}
