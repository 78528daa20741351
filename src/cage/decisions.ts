import type { Backend } from './backend.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import { deploymentNames, deploymentOf, readDeploymentRecord, type Deployment } from './deployment.ts'

/** A draft with what its backend decided, seeing what all other cages have. Who saves it holds `lockAllCages`. */
export async function decided(draft: Deployment, backend: Backend): Promise<Deployment> {
  const { environment } = draft
  const others: DeploymentRecord[] = []
  for (const name of await deploymentNames(environment)) {
    const record = name === draft.name ? undefined : await readDeploymentRecord(name, environment)
    if (record !== undefined) others.push(record)
  }
  return deploymentOf({ ...draft, record: { ...draft.record, ...(await backend.decide(draft, others)) } })
}
