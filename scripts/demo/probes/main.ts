/**
 * Runs in the cage, in the project folder, and tries to get out or at what it must not see. Prints a line of JSON for
 * each attempt, `{"probe": NAME, "outcome": {…}}`. Whether that is as it should be is judged outside, in ../checks.ts.
 *
 *   node probes/main.ts FILE…     FILE: of the host, which no workload may read
 */
import { setTimeout as wait } from 'node:timers/promises'
import { HOST_PROBES } from './host.ts'
import { NETWORK_PROBES } from './network.ts'
import { SECRET_PROBES } from './secrets.ts'

/** What came of an attempt, in words. */
export type Outcome = Readonly<Record<string, string>>
export type Probe = () => Promise<Outcome>

const PATIENCE_MS = 15_000

for (const [probe, attempt] of Object.entries({ ...SECRET_PROBES, ...NETWORK_PROBES, ...HOST_PROBES })) {
  const late = wait(PATIENCE_MS, { failure: 'nothing happened' }, { ref: false })
  const outcome = await Promise.race([attempt().catch((error: unknown) => ({ failure: codeOf(error) })), late])
  console.log(JSON.stringify({ probe, outcome }))
}
process.exit(0)

/** ECONNREFUSED and the like; `fetch` keeps it in the cause. */
function codeOf(error: unknown): string {
  const { code, cause, message } = error as NodeJS.ErrnoException
  return code ?? (cause === undefined ? message : codeOf(cause))
}
