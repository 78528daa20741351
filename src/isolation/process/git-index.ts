/** What of a git index says where git goes from a work tree. Paths are bytes, as in the file. */
export interface GitIndex {
  /** Entries of mode 160000: folders that git takes for repositories of their own, and enters. */
  readonly gitlinks: readonly Buffer[]
  /** Entries of mode 040000: folders whose entries git reads from objects, once the folder is there. */
  readonly sparse: readonly Buffer[]
  /** Whether all entries are in this file; false for a split index. */
  readonly complete: boolean
}

/** More than this is no index of a project that people work in. */
export const LARGEST_INDEX = 64 << 20
const MOST_ENTRIES = 1_000_000
const MOST_FOUND = 10_000
/** No path that can be opened is longer (PATH_MAX). */
const LONGEST_PATH = 4096

const TYPE = 0o170000
const GITLINK = 0o160000
const FOLDER = 0o040000
const EXTENDED = 0x4000
const LENGTH = 0x0fff

interface Entries {
  readonly gitlinks: Buffer[]
  readonly sparse: Buffer[]
  /** Where each entry starts, and whether its path takes nothing from the one before. */
  readonly starts: Uint32Array
  readonly whole: Uint8Array
  /** Whether each entry has a path; those of a split index may have none. */
  readonly named: boolean
  readonly end: number
}

/**
 * Reads an index as git does (gitformat-index(5)): versions 2, 3 and 4, with object names of `hashLength` bytes (20 or
 * 32). Undefined for what is malformed or too large, and for all that git could read differently: offset tables that
 * contradict the entries, lengths that contradict the terminators.
 */
export function parseGitIndex(bytes: Buffer, hashLength: number): GitIndex | undefined {
  if (bytes.length > LARGEST_INDEX || bytes.length < 12 + hashLength) return undefined
  if (bytes.toString('latin1', 0, 4) !== 'DIRC') return undefined
  const version = bytes.readUInt32BE(4)
  const count = bytes.readUInt32BE(8)
  if (version < 2 || version > 4 || count > MOST_ENTRIES) return undefined
  const body = bytes.subarray(0, bytes.length - hashLength)
  const entries = readEntries(body, { version, count, hashLength })
  if (entries === undefined) return undefined
  const extensions = readExtensions(body, entries, hashLength)
  if (extensions === undefined) return undefined
  const complete = entries.named && !extensions.has('link')
  return { gitlinks: entries.gitlinks, sparse: entries.sparse, complete }
}

function readEntries(
  body: Buffer,
  { version, count, hashLength }: { readonly version: number; readonly count: number; readonly hashLength: number },
): Entries | undefined {
  // No entry is shorter: a count that the file cannot hold reserves no memory.
  if (count * (42 + hashLength) > body.length) return undefined
  const found = { gitlinks: [] as Buffer[], sparse: [] as Buffer[] }
  const starts = new Uint32Array(count)
  const whole = new Uint8Array(count)
  const path = Buffer.alloc(LONGEST_PATH)
  let named = true
  let length = 0
  let at = 12
  for (let index = 0; index < count; index++) {
    const start = at
    starts[index] = start
    at += 40 + hashLength
    if (at + 2 > body.length) return undefined
    const mode = body.readUInt32BE(start + 24)
    const flags = body.readUInt16BE(at)
    at += 2
    if ((flags & EXTENDED) !== 0) {
      if (version === 2) return undefined
      at += 2
    }
    let kept = 0
    if (version === 4) {
      const removed = readOffset(body, at)
      if (removed === undefined || removed.value > length) return undefined
      kept = length - removed.value
      at = removed.end
    }
    const end = body.indexOf(0, at)
    if (end < 0 || kept + end - at > LONGEST_PATH) return undefined
    body.copy(path, kept, at, end)
    length = kept + end - at
    if ((flags & LENGTH) !== Math.min(length, LENGTH)) return undefined
    if (length === 0) named = false
    whole[index] = kept === 0 ? 1 : 0
    at = version === 4 ? end + 1 : start + ((end - start + 8) & ~7)
    if (at > body.length) return undefined
    const list = (mode & TYPE) === GITLINK ? found.gitlinks : (mode & TYPE) === FOLDER ? found.sparse : undefined
    if (list === undefined) continue
    if (list.length === MOST_FOUND) return undefined
    list.push(Buffer.from(path.subarray(0, length)))
  }
  return { ...found, starts, whole, named, end: at }
}

/** The number of bytes to remove from the path before, as in pack files: each further byte adds one first. */
function readOffset(body: Buffer, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let at = start; at < start + 4; at++) {
    const byte = body[at]
    if (byte === undefined) return undefined
    value = (at === start ? 0 : (value + 1) << 7) + (byte & 0x7f)
    if ((byte & 0x80) === 0) return { value, end: at + 1 }
  }
  return undefined
}

/** Signatures of the extensions; undefined when one contradicts the entries, or git would refuse it. */
function readExtensions(body: Buffer, entries: Entries, hashLength: number): ReadonlySet<string> | undefined {
  const signatures = new Set<string>()
  // git looks for this one where it would be if it were the last, not by going through the others.
  // With object names of 32 bytes, it looks where one for 20 would be.
  const unexplained = new Set([body.length - (12 + hashLength), body.length - 32])
  for (let at = entries.end; at < body.length;) {
    if (at + 8 > body.length) return undefined
    const signature = body.toString('latin1', at, at + 4)
    const content = body.subarray(at + 8, at + 8 + body.readUInt32BE(at + 4))
    if (at + 8 + body.readUInt32BE(at + 4) > body.length || signatures.has(signature)) return undefined
    if (!/^[A-Z]/.test(signature) && signature !== 'link' && signature !== 'sdir') return undefined
    if (signature === 'IEOT' && !isOffsetTable(content, entries)) return undefined
    if (signature === 'EOIE') {
      if (content.length !== 4 + hashLength || content.readUInt32BE(0) !== entries.end) return undefined
      unexplained.delete(at)
    }
    signatures.add(signature)
    at += 8 + content.length
  }
  const isHidden = [...unexplained].some((at) => at >= 0 && body.toString('latin1', at, at + 4) === 'EOIE')
  return isHidden ? undefined : signatures
}

/** Blocks of entries that git reads side by side: they have to be the entries, in order, each path whole at a start. */
function isOffsetTable(content: Buffer, { starts, whole }: Entries): boolean {
  if (content.length < 12 || (content.length - 4) % 8 !== 0 || content.readUInt32BE(0) !== 1) return false
  let next = 0
  for (let at = 4; at < content.length; at += 8) {
    const count = content.readUInt32BE(at + 4)
    if (count === 0 || starts[next] !== content.readUInt32BE(at) || whole[next] !== 1) return false
    next += count
  }
  return next === starts.length
}
