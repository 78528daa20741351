import { isAscii } from 'node:buffer'
import { ARCHIVE_MARKS } from './archives.ts'
import { announcedCoding } from './compression.ts'
import { ALPHANUMERIC, byteClass, endOfRun, HEX_DIGITS, nextRun, type ByteClass } from './byte-class.ts'

/** What may be a compressed stream inside other content, taken out of what it was written in. */
export interface Embedded {
  readonly encodings: readonly string[]
  readonly bytes: Buffer
}

/** So many streams are looked at; content that names more is not ordinary. */
export const MAX_EMBEDDED = 32

/** Shorter than any stream that holds a credential. */
const LEAST_RUN = 28

const BASE64 = byteClass(`${ALPHANUMERIC}+/-_\r\n\\`)
const HEX = byteClass(`${HEX_DIGITS}\r\n`)

/** At most `MAX_EMBEDDED` and one more, which says that there are more. */
export function* embeddedStreams(bytes: Buffer): Generator<Embedded> {
  if (bytes.length < LEAST_RUN) return
  let left = MAX_EMBEDDED
  for (const stream of candidates(bytes)) {
    yield stream
    if (left === 0) return
    left -= 1
  }
}

/** How many streams seem to begin in the bytes as they are. */
export function rawStreams(bytes: Buffer): number {
  if (isAscii(bytes)) return 0
  let count = announcedCoding(bytes) === 'deflate' ? 1 : 0
  for (const mark of [...RAW_MARKS, ...ARCHIVE_MARKS]) for (const _at of occurrences(bytes, mark)) count += 1
  return count
}

/** Zip archives that are written in base64. */
export function* embeddedZips(bytes: Buffer): Generator<Embedded> {
  let left = MAX_EMBEDDED
  for (const start of occurrences(bytes, ZIP_BASE64)) {
    if (left-- === 0) return
    yield* written(bytes, 'base64', { start, members: BASE64 })
  }
}

function* candidates(bytes: Buffer): Generator<Embedded> {
  for (const mark of BASE64_MARKS) {
    for (const start of occurrences(bytes, mark)) yield* written(bytes, 'base64', { start, members: BASE64 })
  }
  for (const start of runs(bytes, BASE64)) {
    if (bytes[start] === 0x65 && ZLIB_BASE64.has(bytes[start + 1] as number))
      yield* written(bytes, 'base64', { start, members: BASE64 })
  }
  for (const start of runs(bytes, HEX)) {
    const digits = bytes.toString('latin1', start, endOfRun(bytes, HEX, start)).toLowerCase()
    for (const mark of HEX_MARKS) {
      for (let at = digits.indexOf(mark); at !== -1; at = digits.indexOf(mark, at + 1)) {
        yield { encodings: ['hex'], bytes: Buffer.from(digits.slice(at).replace(/[\r\n]/g, ''), 'hex') }
      }
    }
    if (/^78(?:01|5e|9c|da)/.test(digits))
      yield { encodings: ['hex'], bytes: Buffer.from(digits.replace(/[\r\n]/g, ''), 'hex') }
  }
  for (const mark of isAscii(bytes) ? [] : RAW_MARKS) {
    const offset = mark.startsWith('\r') ? 4 : 0
    for (const start of occurrences(bytes, mark)) {
      if (start + offset > 0) yield { encodings: [], bytes: bytes.subarray(start + offset) }
    }
  }
}

/** The first three bytes of gzip and zstd in base64: wherever they stand, the stream begins there. */
const BASE64_MARKS = ['H4sI', 'KLUv'] as const
/** The first three bytes of a zip archive in base64. */
const ZIP_BASE64 = 'UEsD'
const HEX_MARKS = ['1f8b08', '28b52ffd'] as const
/** zlib's header is too short to look for everywhere: `eJ`, `eN`, `eA` and `eF` count where a value begins. */
const ZLIB_BASE64: ReadonlySet<number> = new Set(Buffer.from('JNAF'))
/** zlib's header counts after the empty line before a part's content (RFC 2046 section 5.1). */
const RAW_MARKS = [
  '\x1f\x8b\x08',
  '\x28\xb5\x2f\xfd',
  '\r\n\r\n\x78\x9c',
  '\r\n\r\n\x78\xda',
  '\r\n\r\n\x78\x01',
  '\r\n\r\n\x78\x5e',
]

function* written(
  bytes: Buffer,
  encoding: 'base64' | 'hex',
  { start, members }: { readonly start: number; readonly members: ByteClass },
): Generator<Embedded> {
  const end = endOfRun(bytes, members, start)
  if (end - start < LEAST_RUN) return
  const text = bytes.toString('latin1', start, end).replace(/\\+[nrt]/g, '')
  yield { encodings: [encoding], bytes: Buffer.from(text, encoding) }
}

function* occurrences(bytes: Buffer, mark: string): Generator<number> {
  for (let at = bytes.indexOf(mark, 0, 'latin1'); at !== -1; at = bytes.indexOf(mark, at + 1, 'latin1')) yield at
}

function* runs(bytes: Buffer, members: ByteClass): Generator<number> {
  for (let from = 0; ;) {
    const start = nextRun(bytes, members, { least: LEAST_RUN, from })
    if (start === -1) return
    yield start
    from = endOfRun(bytes, members, start)
  }
}
