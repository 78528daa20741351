import { hash as digest } from 'node:crypto'
import { MOST_LINE_BYTES, parseRecord } from './fields.ts'
import type { LogLine } from './lines.ts'
import type { AuditRecord } from './record.ts'

/** `prev` of the first record. */
export const CHAIN_START = '0'.repeat(64)

export type ChainResult =
  | {
      readonly ok: true
      readonly records: number
      /** Hash of the last record: whoever keeps it elsewhere can tell that the end was cut off. */
      readonly head: string
    }
  | {
      readonly ok: false
      /** Of several the one that it is in. */
      readonly file?: string
      /** From 1. */
      readonly line: number
      readonly problem: string
    }

/** A line that is whole in itself: its form is right and its hash is that of its bytes. */
export interface Link {
  readonly record: AuditRecord
  readonly prev: string
  readonly hash: string
}

/** `,"prev":"…","hash":"…"}`, the only way in which a line can end. */
const END = /^,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/
const END_LENGTH = 149
/** `,"hash":"…"}` */
const HASH_LENGTH = 75

/**
 * Checks a log line by line: edited, missing, repeated, moved and added lines are found; so is a log whose beginning was
 * cut off. `start` is what the first record must follow: the head of an older file; `onHash` is told every hash that
 * is right. What no chain can show is that its end was cut off, or that all of it was written anew.
 */
export async function verifyChain(
  lines: AsyncIterable<LogLine> | Iterable<LogLine>,
  start = CHAIN_START,
  onHash: (hash: string) => void = () => {},
): Promise<ChainResult> {
  let head = start
  let records = 0
  for await (const line of lines) {
    const link = readLink(line)
    if (typeof link === 'string') return { ok: false, line: records + 1, problem: link }
    if (link.prev !== head)
      return { ok: false, line: records + 1, problem: orderProblem(link.prev, { records, head, start }) }
    head = link.hash
    records += 1
    onHash(head)
  }
  return { ok: true, records, head }
}

/** Reads one line, or says what is wrong with it. */
export function readLink(line: LogLine): Link | string {
  switch (line.kind) {
    case 'torn':
      return 'the line has no end: it was being written, or was cut off'
    case 'too-long':
      return `the line is longer than ${MOST_LINE_BYTES} bytes`
    case 'whole':
      return readWholeLine(line.bytes)
  }
}

function readWholeLine(line: Buffer): Link | string {
  const end = END.exec(line.toString('latin1', Math.max(0, line.length - END_LENGTH)))
  const [, prev, hash] = end ?? []
  if (prev === undefined || hash === undefined) return 'not a record: it does not end with its hash'
  if (digest('sha256', line.subarray(0, line.length - HASH_LENGTH), 'hex') !== hash) {
    return 'the record was changed: its hash does not match its contents'
  }
  const record = parseRecord(line.toString())
  return record === undefined ? 'not a record' : { record, prev, hash }
}

interface Place {
  readonly records: number
  readonly head: string
  readonly start: string
}

function orderProblem(prev: string, { records, head, start }: Place): string {
  if (records === 0 && start === CHAIN_START)
    return `the log does not begin here: its first record follows ${prev}, which is missing`
  return `the record does not follow the one before: it names ${prev}, the one before is ${head}`
}
