import { lastOf, openLog, type Entry, type OpenLog, type ReadOptions } from './read.ts'

/**
 * The records of several logs of one cage as of one, by time; see `readRecords`. What is appended while it is followed comes
 * as it is written. Throws `audit_unusable`.
 */
export async function* readLogs(
  paths: readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<Entry, void, undefined> {
  const ending = new AbortController()
  const signal = options.signal === undefined ? ending.signal : AbortSignal.any([options.signal, ending.signal])
  await using opened = new AsyncDisposableStack()
  const { last = 0 } = options
  const logs: OpenLog[] = []
  for (const path of paths) logs.push(opened.use(await openLog(path, { ...options, signal })))
  const existing = byTime(logs.map((log) => log.existing()))
  yield* last > 0 ? await lastOf(existing, last) : existing
  if (options.follow !== true) return
  try {
    yield* asTheyCome(logs.map((log) => log.news()))
  } finally {
    ending.abort()
  }
}

interface Head {
  readonly entries: AsyncGenerator<Entry, void, undefined>
  readonly entry: Entry
}

/** Each log is in order already: the oldest of their next records is the next of all. */
async function* byTime(
  logs: readonly AsyncGenerator<Entry, void, undefined>[],
): AsyncGenerator<Entry, void, undefined> {
  const heads: Head[] = []
  for (const entries of logs) await advance(entries, heads)
  for (;;) {
    const [first, ...others] = heads
    if (first === undefined) return
    const next = others.reduce((oldest, head) => (head.entry.record.ts < oldest.entry.record.ts ? head : oldest), first)
    yield next.entry
    heads.splice(heads.indexOf(next), 1)
    await advance(next.entries, heads)
  }
}

async function advance(entries: AsyncGenerator<Entry, void, undefined>, heads: Head[]): Promise<void> {
  const { done, value } = await entries.next()
  if (done !== true) heads.push({ entries, entry: value })
}

async function* asTheyCome(
  logs: readonly AsyncGenerator<Entry, void, undefined>[],
): AsyncGenerator<Entry, void, undefined> {
  const next = (log: AsyncGenerator<Entry, void, undefined>) => log.next().then((result) => ({ log, result }))
  const waiting = new Map(logs.map((log) => [log, next(log)]))
  while (waiting.size > 0) {
    const { log, result } = await Promise.race(waiting.values())
    if (result.done === true) waiting.delete(log)
    else {
      waiting.set(log, next(log))
      yield result.value
    }
  }
}
