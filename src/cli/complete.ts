import { proposeCompletions } from '@stricli/core'
import { buildCli } from './app.ts'
import type { Io } from './io.ts'
import { separateWorkload } from './workload-arguments.ts'

/**
 * `agentcage __complete WORD… PARTIAL`: what the scripts of `agentcage completions` ask, one proposal a line with its
 * meaning after a tab. Not a route: the framework would take flags among the words for its own.
 */
export async function printCompletions(words: readonly string[], io: Io): Promise<number> {
  const typed = [...separateWorkload(words.slice(0, -1)), words.at(-1) ?? '']
  const proposals = await proposeCompletions(buildCli(), typed, { process: io, io, finish: () => {} })
  for (const { completion, brief } of proposals) io.stdout.write(`${completion}\t${brief}\n`)
  return 0
}
