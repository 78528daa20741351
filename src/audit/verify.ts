import { setTimeout } from 'node:timers/promises'
import { verifyChain, type ChainResult } from './chain.ts'
import type { LogLine } from './lines.ts'
import { LogReader } from './log-reader.ts'

const PATIENCE = 10

/**
 * Checks the chain of a log of any size. A line that is being written at this moment is waited for, shortly; one that
 * then still has no end is reported. Throws `audit_unusable` when the file cannot be read.
 */
export async function verifyLog(path: string): Promise<ChainResult> {
  await using reader = await LogReader.open(path)
  return await verifyChain(linesOf(reader))
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
