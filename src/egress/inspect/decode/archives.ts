import { isAscii } from 'node:buffer'
import type { Steps } from '../steps.ts'
import { decompress } from './compression.ts'

/** What lies in an archive, one after the other with NUL between. */
export interface Unpacked {
  readonly name: 'zip' | 'git'
  readonly bytes: Buffer
  /** Why there is more than was unpacked: it is too large, or there are too many in it. */
  readonly cut: 'size' | 'count' | undefined
}

const ZIP_MARK = 'PK\x03\x04'
const PACK_MARK = 'PACK\0\0\0'
export const ARCHIVE_MARKS = [ZIP_MARK, PACK_MARK] as const

const MOST_MEMBERS = 20_000
/** The first push of a repository of some years. */
const MOST_OBJECTS = 100_000
/** What one of them costs at least, in bytes that are looked at. */
const COST = 4096
const SEPARATOR = Buffer.of(0)

/** The compressed contents of zip archives and git packs in `bytes`; at most `maxBytes` of each. */
export function* unpacked(bytes: Buffer, maxBytes: number): Steps<readonly Unpacked[]> {
  if (isAscii(bytes)) return []
  const found = [yield* zipMembers(bytes, maxBytes), yield* packObjects(bytes, maxBytes)]
  return found.filter((archive) => archive.bytes.length > 0 || archive.cut !== undefined)
}

/** Streams of an archive may overlap: what is read of it in all is bounded too, in times its size. */
const MOST_READ = 4

/** Collects pieces within bounds. */
class Collector {
  readonly #pieces: Buffer[] = []
  #left: number
  #inputLeft: number
  #countLeft: number
  cut: Unpacked['cut']

  constructor(archive: Buffer, { maxBytes, maxCount }: { readonly maxBytes: number; readonly maxCount: number }) {
    this.#left = maxBytes
    this.#inputLeft = archive.length * MOST_READ
    this.#countLeft = maxCount
  }

  /** How much of the input was used; undefined when it is not in this coding, or past a bound. */
  add(coding: 'raw' | 'zlib', bytes: Buffer): number | undefined {
    if (this.#countLeft-- === 0) this.cut = 'count'
    else if (this.#inputLeft <= 0) this.cut = 'size'
    if (this.cut !== undefined) return undefined
    const decoded = decompress(coding, bytes, this.#left)
    if (decoded.kind === 'over') this.cut = 'size'
    this.#inputLeft -= decoded.kind === 'bytes' ? decoded.used : bytes.length
    if (decoded.kind !== 'bytes') return undefined
    this.#left -= decoded.bytes.length + SEPARATOR.length
    this.#pieces.push(decoded.bytes, SEPARATOR)
    return decoded.used
  }

  take(name: Unpacked['name']): Unpacked {
    return { name, bytes: Buffer.concat(this.#pieces), cut: this.cut }
  }
}

/**
 * By the headers in front of each member (APPNOTE.TXT section 4.3.7), wherever they stand: the directory at the end is
 * not asked, for readers differ in whether they do. What is stored without compression is seen where it stands.
 */
function* zipMembers(bytes: Buffer, maxBytes: number): Steps<Unpacked> {
  const members = new Collector(bytes, { maxBytes, maxCount: MOST_MEMBERS })
  for (let at = bytes.indexOf(ZIP_MARK, 0, 'latin1'); at !== -1; at = bytes.indexOf(ZIP_MARK, at + 4, 'latin1')) {
    if (at + 30 > bytes.length) break
    const isDeflated = bytes.readUInt16LE(at + 8) === 8
    const start = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28)
    if (!isDeflated || start >= bytes.length) continue
    members.add('raw', bytes.subarray(start))
    yield COST
    if (members.cut !== undefined) break
  }
  return members.take('zip')
}

/** Every object of a pack (gitformat-pack): a header, for a difference its base, and a zlib stream. */
function* packObjects(bytes: Buffer, maxBytes: number): Steps<Unpacked> {
  const objects = new Collector(bytes, { maxBytes, maxCount: MOST_OBJECTS })
  for (let at = bytes.indexOf(PACK_MARK, 0, 'latin1'); at !== -1; at = bytes.indexOf(PACK_MARK, at + 1, 'latin1')) {
    if (at + 12 > bytes.length) break
    let next: number | undefined = at + 12
    for (
      let count = bytes.readUInt32BE(at + 8);
      count > 0 && next !== undefined && objects.cut === undefined;
      count -= 1
    ) {
      const start = objectStart(bytes, next)
      if (start === undefined) break
      const used = objects.add('zlib', bytes.subarray(start))
      yield COST
      next = used === undefined || used === 0 ? undefined : start + used
    }
    if (objects.cut !== undefined) break
    if (next !== undefined && next > at + 12) at = next - 1
  }
  return objects.take('git')
}

const OFFSET_DELTA = 6
const REFERENCE_DELTA = 7
const HASH_BYTES = 20

/** Where the object's stream begins. */
function objectStart(bytes: Buffer, header: number): number | undefined {
  const type = ((bytes[header] ?? 0) >> 4) & 7
  let at = afterVariable(bytes, header)
  if (type === OFFSET_DELTA) at = afterVariable(bytes, at)
  if (type === REFERENCE_DELTA) at += HASH_BYTES
  return at < bytes.length ? at : undefined
}

/** A number of 64 bits has no more. */
const MOST_DIGITS = 10

/** Behind a number of which each byte but the last has its first bit set. */
function afterVariable(bytes: Buffer, start: number): number {
  let at = start
  while (((bytes[at] ?? 0) & 0x80) !== 0 && at - start < MOST_DIGITS) at += 1
  return at + 1
}
