import { rotatePlaceholders } from '../secrets/placeholders.ts'
import { cageState } from '../system/paths.ts'
import { backendOf } from './backends.ts'
import { lockCage } from './deployment-lock.ts'
import { loadDeployment, readDeploymentRecord, type Environment } from './deployment.ts'

/**
 * Makes new placeholders for those that were generated for a cage, one that stays or one that is run, and yields their
 * names. A running egress goes by the new ones at once, the workload has them from its next start on.
 */
export async function rotateCagePlaceholders(cage: string, environment: Environment): Promise<readonly string[]> {
  const state = cageState(cage, environment)
  if ((await readDeploymentRecord(cage, environment)) === undefined) return rotatePlaceholders(state)
  using _lock = await lockCage(cage, environment)
  const deployment = await loadDeployment(cage, environment)
  const backend = await backendOf(deployment.record.isolation)
  const names = await rotatePlaceholders(state)
  if (names.length > 0) await backend.renewPlaceholders?.(deployment)
  return names
}
