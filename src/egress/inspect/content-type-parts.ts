import {
  brotliDecompressSync,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
  type ZlibOptions,
} from 'node:zlib'
import { headerValue, headerValues } from '../http/headers.ts'
import type { InspectionContext } from './inspector.ts'
import { entropyOf, histogramOf, type Histogram } from './shannon.ts'

/** A body, or a field or file of a multipart body, without the content coding. */
export interface BodyPart {
  /** Lower case, without parameters; '' when it does not say. */
  readonly type: string
  readonly bytes: Buffer
  readonly histogram: Histogram
  /** Bits a byte. */
  readonly entropy: number
}

/** The most that is decompressed: what is larger is judged as it was sent. */
const DECODED_BYTES = 16 * 1024 * 1024

/** Beyond, the rest of a multipart body is one part. */
const MAX_PARTS = 1000

const MAX_PART_HEAD = 8192

/** Reads bodies for several inspectors, each body once. */
export class BodyReader {
  readonly #read = new WeakMap<Buffer, readonly BodyPart[]>()

  /** What the body holds; none when it is empty. Every byte of a multipart body that is content is in some part. */
  partsOf(context: InspectionContext): readonly BodyPart[] {
    const { body } = context
    if (body.length === 0) return []
    const known = this.#read.get(body)
    if (known !== undefined) return known
    const parts = split(essenceOf(declaredType(context)), declaredType(context), decoded(context))
    this.#read.set(body, parts)
    return parts
  }
}

/** The media type in lower case, without parameters. */
export function essenceOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

/** Messages have no type of their own; those of a WebSocket go by the original's name for them. */
function declaredType({ protocol, contentType }: InspectionContext): string {
  return protocol === 'websocket' ? 'application/x-websocket-frame' : contentType
}

function part(type: string, bytes: Buffer): BodyPart {
  const histogram = histogramOf(bytes)
  return { type, bytes, histogram, entropy: entropyOf(histogram) }
}

/**
 * The body without its content coding, if all of it is in that coding. Bytes behind the end of the compressed stream
 * would be seen by nobody, so such a body is judged as it was sent, as is one that does not decode.
 */
function decoded({ headers, body, protocol }: InspectionContext): Buffer {
  const codings = protocol === 'grpc' ? [grpcCoding(headers, body)] : headerValues(headers, 'content-encoding')
  const names = codings
    .join(',')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  if (names.length === 0 || names.length > 2) return body
  try {
    return names.reduceRight(decompress, body)
  } catch {
    return body
  }
}

/** Whether a message is compressed is told by a flag that is not seen here, so its first bytes decide. */
function grpcCoding(headers: InspectionContext['headers'], body: Buffer): string {
  return body[0] === 0x1f && body[1] === 0x8b ? (headerValue(headers, 'grpc-encoding') ?? '') : ''
}

/** The engine tells how much of the input it used up. */
interface WithInfo {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

function decompress(bytes: Buffer, coding: string): Buffer {
  const { buffer, engine } = run(coding, bytes, { maxOutputLength: DECODED_BYTES, info: true })
  if (engine.bytesWritten !== bytes.length) throw new RangeError('bytes behind the end of the compressed stream')
  return buffer
}

function run(coding: string, bytes: Buffer, options: ZlibOptions): WithInfo {
  // With `info` these functions return more than their types say (node:zlib, "Class: Options").
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(bytes, options) as unknown as WithInfo
    case 'deflate':
      return (((bytes[0] ?? 0) & 0x0f) === 8
        ? inflateSync(bytes, options)
        : inflateRawSync(bytes, options)) as unknown as WithInfo
    case 'br':
      return brotliDecompressSync(bytes, { maxOutputLength: DECODED_BYTES, info: true }) as unknown as WithInfo
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength: DECODED_BYTES, info: true }) as unknown as WithInfo
    default:
      throw new RangeError('unknown coding')
  }
}

function split(type: string, contentType: string, bytes: Buffer): readonly BodyPart[] {
  const boundary = type.startsWith('multipart/')
    ? /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
    : null
  const delimiter = boundary === null ? '' : `--${boundary[1] ?? boundary[2]}`
  return (delimiter === '' ? undefined : multipart(delimiter, bytes)) ?? [part(type, bytes)]
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
