import { parseRecord } from './fields.ts'
import { matches, type RecordFilter } from './filter.ts'
import { openChain } from './chain-files.ts'
import type { LogReader } from './log-reader.ts'
import type { LogLine } from './lines.ts'
import type { AuditRecord } from './record.ts'

export interface ReadOptions {
  readonly filter?: RecordFilter | undefined
  /** Of what is there already, only the last so many that match; 0, the default, for all. */
  readonly last?: number
  /** Goes on with what is appended, through truncation and replacement of the file, until `signal` aborts. */
  readonly follow?: boolean
  readonly signal?: AbortSignal | undefined
  /** Called for each line that is no record; it is passed over. */
  readonly onBadLine?: () => void
}

export interface Entry {
  readonly record: AuditRecord
  /** The line as it stands in the log: its hash is that of these bytes. */
  readonly line: string
}

/**
 * The records of a log and of the older files that it goes on from, oldest first. A last line without its end is left out:
 * it is being written. Throws `audit_unusable`.
 */
export async function* readRecords(path: string, options: ReadOptions = {}): AsyncGenerator<Entry, void, undefined> {
  await using log = await openLog(path, options)
  yield* log.existing()
  if (options.follow === true) yield* log.news()
}

/** A log with its older files, open. */
export interface OpenLog extends AsyncDisposable {
  /** What is there already, once. */
  existing(): AsyncGenerator<Entry, void, undefined>
  /** What is appended after that, until `signal` aborts. */
  news(): AsyncGenerator<Entry, void, undefined>
}

/** As `readRecords`, in two parts. Throws `audit_unusable`. */
export async function openLog(path: string, options: ReadOptions): Promise<OpenLog> {
  const chain = await openChain(path)
  const { last = 0, signal } = options
  const readers = chain.files.map(({ reader }) => reader)
  const newest = readers.at(-1)
  return {
    async *existing() {
      yield* last > 0 ? await lastOfChain(readers, options, last) : inOrder(readers, options)
    },
    async *news() {
      if (newest === undefined) return
      while (await newest.changed(signal)) yield* present(newest, options)
    },
    [Symbol.asyncDispose]: () => chain[Symbol.asyncDispose](),
  }
}

async function* inOrder(readers: readonly LogReader[], options: ReadOptions): AsyncGenerator<Entry, void, undefined> {
  for (const reader of readers) yield* present(reader, options)
}

/** From the newest file back, as far as needed: older ones may be large. */
async function lastOfChain(
  readers: readonly LogReader[],
  options: ReadOptions,
  most: number,
): Promise<readonly Entry[]> {
  let found: readonly Entry[] = []
  for (const reader of readers.toReversed()) {
    found = [...(await lastOf(present(reader, options), most - found.length)), ...found]
    if (found.length >= most) break
  }
  return found
}

/** What is there, from where the reader stands to the end. */
async function* present(reader: LogReader, options: ReadOptions): AsyncGenerator<Entry, void, undefined> {
  for await (const lines of reader.toEnd()) {
    if (options.signal?.aborted) return
    for (const line of lines) {
      const entry = readEntry(line)
      if (entry === undefined) options.onBadLine?.()
      else if (matches(entry.record, options.filter ?? {})) yield entry
    }
  }
}

function readEntry(line: LogLine): Entry | undefined {
  if (line.kind !== 'whole') return undefined
  const text = line.bytes.toString()
  const record = parseRecord(text)
  return record && { record, line: text }
}

/** Holds no more than `most` entries at a time. */
export async function lastOf(entries: AsyncIterable<Entry>, most: number): Promise<readonly Entry[]> {
  const ring: Entry[] = []
  let count = 0
  for await (const entry of entries) {
    ring[count % most] = entry
    count += 1
  }
  const oldest = count > most ? count % most : 0
  return [...ring.slice(oldest), ...ring.slice(0, oldest)]
}
