import { isAscii } from 'node:buffer'
import { ARCHIVE_MARKS } from './archives.ts'
import { Base64Marks } from './base64-marks.ts'
import { announcedCoding, announcesZlib } from './compression.ts'
import { ALPHANUMERIC, byteClass, endOfRun, nextRun, type ByteClass } from './byte-class.ts'
import { hexRuns } from './hex.ts'
import { withoutLineEnds } from './line-ends.ts'

/** What may be a compressed stream inside other content, taken out of what it was written in. */
export interface Embedded {
  readonly encodings: readonly string[]
  readonly bytes: Buffer
}

/** So many archives are looked at; content that names more is not ordinary. */
export const MAX_EMBEDDED = 32

/** Shorter than any stream that holds a credential. */
const LEAST_RUN = 28
const LEAST_BYTES = 21

const BASE64 = byteClass(`${ALPHANUMERIC}+/-_\r\n\\`)

const STREAM_MARKS = ['\x1f\x8b\x08', '\x28\xb5\x2f\xfd'] as const
const STREAMS_IN_BASE64 = new Base64Marks(STREAM_MARKS)
const ARCHIVES_IN_BASE64 = new Base64Marks(ARCHIVE_MARKS)

/**
 * zlib's header is too short to look for everywhere: it counts where a value begins, and after the empty line before a
 * part's content (RFC 2046 section 5.1).
 */
const EMPTY_LINE = '\r\n\r\n'

/** How many streams seem to begin in the bytes as they are. */
export function rawStreams(bytes: Buffer): number {
  if (isAscii(bytes)) return 0
  let count = announcedCoding(bytes) === 'deflate' ? 1 : 0
  for (const _start of rawStarts(bytes)) count += 1
  for (const mark of ARCHIVE_MARKS) for (const _at of occurrences(bytes, mark)) count += 1
  return count
}

/** Archives that are written in letters. At most `MAX_EMBEDDED` and one more, which says that there are more. */
export function embeddedArchives(bytes: Buffer): Generator<Embedded> {
  return withOneMore(inLetters(bytes, ARCHIVES_IN_BASE64, ARCHIVE_MARKS))
}

function* withOneMore(all: Iterable<Embedded>): Generator<Embedded> {
  let left = MAX_EMBEDDED
  for (const each of all) {
    yield each
    if (left === 0) return
    left -= 1
  }
}

/** Each announces a coding: what only looks like a stream is none. As many as there are. */
export function* embeddedStreams(bytes: Buffer): Generator<Embedded> {
  for (const stream of written(bytes)) if (announcedCoding(stream.bytes) !== undefined) yield stream
}

function* written(bytes: Buffer): Generator<Embedded> {
  if (bytes.length < LEAST_RUN) return
  yield* inLetters(bytes, STREAMS_IN_BASE64, STREAM_MARKS)
  yield* zlibInLetters(bytes)
  for (const start of isAscii(bytes) ? [] : rawStarts(bytes)) {
    if (start > 0) yield { encodings: [], bytes: bytes.subarray(start) }
  }
}

function* rawStarts(bytes: Buffer): Generator<number> {
  for (const mark of STREAM_MARKS) yield* occurrences(bytes, mark)
  for (const line of occurrences(bytes, EMPTY_LINE)) {
    const start = line + EMPTY_LINE.length
    if (announcesZlib(bytes, start)) yield start
  }
}

/** In each run of base64 or hexadecimal, without the line ends, as such or escaped, that may cut a mark too. */
function* inLetters(bytes: Buffer, marks: Base64Marks, beginnings: readonly string[]): Generator<Embedded> {
  for (const start of runs(bytes, BASE64)) {
    for (const found of marks.beginningsIn(base64Run(bytes, start))) {
      if (found.length >= LEAST_BYTES) yield { encodings: ['base64'], bytes: found }
    }
  }
  const inHex = beginnings.map((beginning) => Buffer.from(beginning, 'latin1').toString('hex'))
  for (const run of hexRuns(bytes)) {
    const digits = run.toString('latin1').toLowerCase()
    for (const mark of inHex) {
      for (let at = digits.indexOf(mark); at !== -1; at = digits.indexOf(mark, at + 1)) {
        yield { encodings: ['hex'], bytes: Buffer.from(digits.slice(at), 'hex') }
      }
    }
  }
}

function* zlibInLetters(bytes: Buffer): Generator<Embedded> {
  for (const start of runs(bytes, BASE64)) {
    if (!ZLIB_IN_BASE64.has(bytes[start] as number)) continue
    const run = base64Run(bytes, start)
    if (announcesZlib(Buffer.from(run.toString('latin1', 0, 4), 'base64'), 0))
      yield { encodings: ['base64'], bytes: Buffer.from(run.toString('latin1'), 'base64') }
  }
  for (const run of hexRuns(bytes)) {
    if (announcesZlib(Buffer.from(run.toString('latin1', 0, 4), 'hex'), 0))
      yield { encodings: ['hex'], bytes: Buffer.from(run.toString('latin1'), 'hex') }
  }
}

/** The first letter of zlib's first byte, by the window's size, and what may stand before it. */
const ZLIB_IN_BASE64: ReadonlySet<number> = new Set(Buffer.from('CGKOSWae\r\n\\'))

function base64Run(bytes: Buffer, start: number): Buffer {
  return withoutLineEnds(bytes.subarray(start, endOfRun(bytes, BASE64, start)))
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
