import { setTimeout } from 'node:timers/promises'
import { cutOff, readAnchor } from './anchor.ts'
import { CHAIN_START, verifyChain, type ChainResult } from './chain.ts'
import type { LogLine } from './lines.ts'
import { openChain } from './chain-files.ts'
import type { LogReader } from './log-reader.ts'

const PATIENCE = 10

/**
 * Checks the chain of a log of any size, with the older files that it goes on from. A line that is being written at this
 * moment is waited for, shortly; one that then still has no end is reported. What lies beside the log says where it had
 * come to (`anchor.ts`), and an end before that is reported too. Throws `audit_unusable` when a file cannot be
 * read.
 */
export async function verifyLog(path: string): Promise<ChainResult> {
  const anchored = readAnchor(path) // Before the log, which goes on meanwhile.
  await using chain = await openChain(path)
  let head = CHAIN_START
  let records = 0
  let inLast = 0
  let isWhole = anchored === undefined
  for (const { file, reader } of chain.files) {
    const result = await verifyChain(linesOf(reader), head, (hash) => void (isWhole ||= hash === anchored?.hash))
    if (!result.ok) return { ...result, file }
    head = result.head
    records += result.records
    inLast = result.records
  }
  if (anchored !== undefined && !isWhole) return { ok: false, file: path, line: inLast + 1, problem: cutOff(anchored) }
  return { ok: true, records, head }
}

async function* linesOf(reader: LogReader): AsyncGenerator<LogLine, void, undefined> {
  for (let attempt = 0; ; attempt++) {
    for await (const lines of reader.toEnd()) yield* lines
    const rest = await reader.unfinished()
    if (rest === undefined) return
    if (attempt === PATIENCE) return yield rest
    await setTimeout(20)
  }
}
