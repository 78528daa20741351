import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { CageError } from '../errors.ts'
import { CHAIN_START, readLink } from './chain.ts'
import { MOST_LINE_BYTES } from './fields.ts'
import { parseTimestamp, systemClock, Timestamps } from './timestamp.ts'

/** Where a log ends and what its next record follows. */
export interface Tail {
  /** Bytes. */
  readonly length: number
  readonly prev: string
  /** Time of the last record, in microseconds since 1970; 0 when there is none. */
  readonly last: number
  /** Where the bytes of a line that was cut off were put, if there were any. */
  readonly tornFile?: string
}

interface Range {
  readonly from: number
  readonly to: number
}

const CHUNK = 65_536
const NEWLINE = 0x0a

/**
 * Finds the end of a log, reading no more than its last lines. A last line that is torn (the writer was killed, the
 * machine lost power) is moved to `FILE.torn-TIME`, so nothing is lost. A last record that is whole but wrong is
 * refused, before anything is changed: somebody edited the log, and a chain must not go on from there. Without `repair`
 * a torn line is passed over and stays.
 */
export function recoverTail(fd: number, file: string, { repair = true }: { readonly repair?: boolean } = {}): Tail {
  const size = fstatSync(fd).size
  const length = endOfRecords(fd, size)
  const link = length === 0 ? undefined : readLink({ kind: 'whole', bytes: readLine(fd, length) })
  if (typeof link === 'string') throw wrongRecord(file, link)
  const prev = link?.hash ?? CHAIN_START
  const last = link === undefined ? 0 : parseTimestamp(link.record.ts)
  if (length === size || !repair) return { length, prev, last }
  return { length, prev, last, tornFile: moveAside(fd, file, { from: length, to: size }) }
}

/** The offset after the last line that is JSON. At most one line with a newline is passed over. */
function endOfRecords(fd: number, size: number): number {
  const end = lineStart(fd, size)
  return end === 0 || isJson(readLine(fd, end)) ? end : lineStart(fd, end - 1)
}

/** The offset after the last newline before `end`, or 0. */
function lineStart(fd: number, end: number): number {
  const chunk = Buffer.alloc(CHUNK)
  for (let to = end; to > 0; to -= CHUNK) {
    const from = Math.max(0, to - CHUNK)
    const newline = readFully(fd, chunk.subarray(0, to - from), from).lastIndexOf(NEWLINE)
    if (newline !== -1) return from + newline + 1
  }
  return 0
}

/** The line that ends at `end`, without its newline; no more than a line can have. */
function readLine(fd: number, end: number): Buffer {
  const start = Math.max(lineStart(fd, end - 1), end - MOST_LINE_BYTES - 2)
  return readFully(fd, Buffer.alloc(end - 1 - start), start)
}

function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString())
    return true
  } catch {
    return false
  }
}

function moveAside(fd: number, file: string, range: Range): string {
  const time = new Timestamps(systemClock, 0).next().slice(0, 26).replaceAll(':', '-')
  const tornFile = `${file}.torn-${time}Z`
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
  const torn = openSync(tornFile, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    copyRange(fd, torn, range)
    fsyncSync(torn)
  } catch (error) {
    unlinkSync(tornFile)
    throw error
  } finally {
    closeSync(torn)
  }
  ftruncateSync(fd, range.from)
  return tornFile
}

function copyRange(fd: number, target: number, { from, to }: Range): void {
  const chunk = Buffer.alloc(CHUNK)
  for (let at = from; at < to; at += CHUNK) {
    writeFully(target, readFully(fd, chunk.subarray(0, Math.min(CHUNK, to - at)), at))
  }
}

function readFully(fd: number, into: Buffer, from: number): Buffer {
  for (let done = 0; done < into.length;) {
    const read = readSync(fd, into, done, into.length - done, from + done)
    if (read === 0) throw new CageError('audit_unusable', 'audit log: it became shorter while it was read')
    done += read
  }
  return into
}

/** Writes all of `bytes` at the end; write(2) may take only the first part of them. */
export function writeFully(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    const written = writeSync(fd, bytes, done, bytes.length - done)
    if (written === 0) throw new Error('the system took none of it')
    done += written
  }
}

function wrongRecord(file: string, problem: string): CageError {
  return new CageError('audit_unusable', `audit log ${file}: its last line is wrong: ${problem}`, {
    hint: `Keep it as evidence and begin a new one: mv '${file}' '${file}.old'`,
  })
}
