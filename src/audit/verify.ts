import { setTimeout } from 'node:timers/promises'
import { CHAIN_START, verifyChain, type ChainResult } from './chain.ts'
import type { LogLine } from './lines.ts'
import { openChain } from './chain-files.ts'
import type { LogReader } from './log-reader.ts'

const PATIENCE = 10

/**
 * Checks the chain of a log of any size, with the older files that it goes on from. A line that is being written at this
 * moment is waited for, shortly; one that then still has no end is reported. Throws `audit_unusable` when a file cannot be
 * read.
 */
export async function verifyLog(path: string): Promise<ChainResult> {
  await using chain = await openChain(path)
  let head = CHAIN_START
  let records = 0
  for (const { file, reader } of chain.files) {
    const result = await verifyChain(linesOf(reader), head)
    if (!result.ok) return { ...result, file }
    head = result.head
    records += result.records
  }
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
