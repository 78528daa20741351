import type { Backend } from './backend.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import { deploymentNames, deploymentOf, readDeploymentRecord, type Deployment, type Environment } from './deployment.ts'

/** A draft with what its backend decided, seeing what all other cages have. Who saves it holds `lockAllCages`. */
export async function decided(draft: Deployment, backend: Backend): Promise<Deployment> {
  const others = await recordsOfOthers(draft.name, draft.environment)
  return deploymentOf({ ...draft, record: { ...draft.record, ...(await backend.decide(draft, others)) } })
}

/** Removes what no cage needs any more. Who calls holds `lockAllCages`: no cage is being decided on meanwhile. */
export async function pruneShared(backend: Backend, environment: Environment): Promise<void> {
  await backend.prune?.(environment, await recordsOfOthers(undefined, environment))
}

/** The records of all cages but one. */
export async function recordsOfOthers(
  own: string | undefined,
  environment: Environment,
): Promise<readonly DeploymentRecord[]> {
  const records: DeploymentRecord[] = []
  for (const name of await deploymentNames(environment)) {
    const record = name === own ? undefined : await readDeploymentRecord(name, environment)
    if (record !== undefined) records.push(record)
  }
  return records
}
