import type { Change } from '../../cage/change.ts'
import type { Io } from '../io.ts'

/** Says that a change is made, whether it counts already, and what of it needs a restart. */
export function printChange(
  { live, needsRestart }: Change,
  { what, name, io }: { readonly what: string; readonly name: string; readonly io: Io },
): void {
  io.stdout.write(`${what}${live ? ' In force.' : ''}\n`)
  if (needsRestart.length === 0) return
  io.stdout.write(`From the next start on (agentcage cage restart ${name}):\n`)
  for (const key of needsRestart) io.stdout.write(`  ${key}\n`)
}
