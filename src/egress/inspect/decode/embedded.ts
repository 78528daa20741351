import { isAscii } from 'node:buffer'
import { ARCHIVE_MARKS } from './archives.ts'
import { announcedCoding } from './compression.ts'
import { ALPHANUMERIC, byteClass, endOfRun, HEX_DIGITS, nextRun, type ByteClass } from './byte-class.ts'

/** What may be a compressed stream inside other content, taken out of what it was written in. */
export interface Embedded {
  readonly encodings: readonly string[]
  readonly bytes: Buffer
}

/** So many archives are looked at; content that names more is not ordinary. */
export const MAX_EMBEDDED = 32

/** Shorter than any stream that holds a credential. */
const LEAST_RUN = 28

const BASE64 = byteClass(`${ALPHANUMERIC}+/-_\r\n\\`)
const HEX = byteClass(`${HEX_DIGITS}\r\n`)

/** How many streams seem to begin in the bytes as they are. */
export function rawStreams(bytes: Buffer): number {
  if (isAscii(bytes)) return 0
  let count = announcedCoding(bytes) === 'deflate' ? 1 : 0
  for (const mark of [...RAW_MARKS, ...ARCHIVE_MARKS]) for (const _at of occurrences(bytes, mark)) count += 1
  return count
}

/** Zip archives that are written in base64. At most `MAX_EMBEDDED` and one more, which says that there are more. */
export function embeddedZips(bytes: Buffer): Generator<Embedded> {
  return withOneMore(inRuns(bytes, [ZIP_BASE64]))
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
  yield* inRuns(bytes, BASE64_MARKS)
  for (const start of runs(bytes, BASE64)) {
    if (bytes[start] === 0x65 && ZLIB_BASE64.has(bytes[start + 1] as number)) yield* fromBase64(bytes, start)
  }
  for (const start of runs(bytes, HEX)) {
    const digits = bytes
      .toString('latin1', start, endOfRun(bytes, HEX, start))
      .toLowerCase()
      .replace(/[\r\n]/g, '')
    for (const mark of HEX_MARKS) {
      for (let at = digits.indexOf(mark); at !== -1; at = digits.indexOf(mark, at + 1)) {
        yield { encodings: ['hex'], bytes: Buffer.from(digits.slice(at), 'hex') }
      }
    }
    if (/^78(?:01|5e|9c|da)/.test(digits)) yield { encodings: ['hex'], bytes: Buffer.from(digits, 'hex') }
  }
  for (const mark of isAscii(bytes) ? [] : RAW_MARKS) {
    const offset = mark.startsWith('\r') ? 4 : 0
    for (const start of occurrences(bytes, mark)) {
      if (start + offset > 0) yield { encodings: [], bytes: bytes.subarray(start + offset) }
    }
  }
}

/** The first letters of a stream or archive in base64, and those that may follow: wherever they stand, it begins there. */
interface Mark {
  readonly letters: string
  readonly next: readonly RegExp[]
}

const BASE64_MARKS: readonly Mark[] = [
  { letters: 'H4sI', next: [] },
  { letters: 'KLUv', next: [/[/_]/, /[Q-Za-f]/] },
]
const ZIP_BASE64: Mark = { letters: 'UEsD', next: [/B/, /[A-P]/] }
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

/** In each run of base64, where line ends, as such or escaped, may cut a mark too. */
function* inRuns(bytes: Buffer, marks: readonly Mark[]): Generator<Embedded> {
  for (const start of runs(bytes, BASE64)) {
    const run = bytes.subarray(start, endOfRun(bytes, BASE64, start))
    const joined = LINE_ENDS.some((end) => run.includes(end))
      ? Buffer.from(run.toString('latin1').replace(/\\[nrt]?|[\r\n]/g, ''), 'latin1')
      : run
    for (const mark of marks) yield* marked(joined, mark)
  }
}

/** Exactly: a mark that is looked at in vain costs the whole run behind it, and a body may be made of such. */
function* marked(bytes: Buffer, { letters, next }: Mark): Generator<Embedded> {
  for (const start of occurrences(bytes, letters)) {
    let at = start + letters.length - 1
    const fits = next.every((letter) => {
      at = nextLetter(bytes, at + 1)
      return letter.test(String.fromCharCode(bytes[at] ?? 0))
    })
    if (fits) yield* fromBase64(bytes, start)
  }
}

/** Behind line ends, as such or escaped. */
function nextLetter(bytes: Buffer, from: number): number {
  let at = from
  while (bytes[at] === CR || bytes[at] === LF || bytes[at] === BACKSLASH) {
    const isEscape = bytes[at] === BACKSLASH
    at += 1
    if (isEscape && LINE_END_LETTERS.has(bytes[at] as number)) at += 1
  }
  return at
}

const CR = 0x0d
const LF = 0x0a
const BACKSLASH = 0x5c
const LINE_ENDS = [CR, LF, BACKSLASH] as const
const LINE_END_LETTERS: ReadonlySet<number> = new Set(Buffer.from('nrt'))

function* fromBase64(bytes: Buffer, start: number): Generator<Embedded> {
  const end = endOfRun(bytes, BASE64, start)
  if (end - start < LEAST_RUN) return
  const text = bytes.toString('latin1', start, end).replace(/\\[nrt]?/g, '')
  yield { encodings: ['base64'], bytes: Buffer.from(text, 'base64') }
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
