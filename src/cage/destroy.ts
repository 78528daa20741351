import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { CageError } from '../errors.ts'
import { openSecretStore } from '../secrets/store.ts'
import { usable } from '../secrets/private-state.ts'
import { cageState, deploymentFolder, secretsFolder } from '../system/paths.ts'
import type { Report } from './backend.ts'
import { backendOf } from './backends.ts'
import { pruneShared } from './decisions.ts'
import { lockAllCages, lockCage } from './deployment-lock.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import { isKept, readIsolation, removeDeployment, type Environment } from './deployment.ts'
import { findCage } from './running-cage.ts'

export interface DestroyRequest {
  readonly name: string
  readonly keepSecrets: boolean
  readonly environment: Environment
  readonly report: Report
}

/**
 * Ends a cage and removes what was made for it: services, state, secrets. What the agent works on stays: the project,
 * bind-mounted folders, named volumes. What is no cage, as after a create or a destroy that was killed, is cleared away too.
 * Yields what was removed; nothing when there was nothing.
 */
export async function destroyCage(request: DestroyRequest): Promise<readonly string[]> {
  using _lock = await lockCage(request.name, request.environment)
  const isolation = await readIsolation(request.name, request.environment)
  return isolation === undefined ? await removeRemains(request) : await removeCage(request, isolation)
}

async function removeCage(
  request: DestroyRequest,
  isolation: DeploymentRecord['isolation'],
): Promise<readonly string[]> {
  const { name, environment, report } = request
  const backend = await backendOf(isolation)
  report('Stopping services...')
  const removed = await backend.remove(name, environment, report)
  const state = cageState(name, environment)
  if ((await findCage(state)) !== undefined) {
    throw new CageError('service_failed', `a supervisor of cage '${name}' still runs`, {
      hint: 'End it, then destroy the cage.',
    })
  }
  const secrets = await scopedSecrets(request)
  const hadState = existsSync(state)
  await usable(state, () => rm(state, { recursive: true, force: true }))
  await removeDeployment(name, environment, { keepSecrets: request.keepSecrets })
  using _all = await lockAllCages(environment)
  await pruneShared(backend, environment)
  return [...removed, ...secrets, ...(hadState ? ['state'] : [])]
}

/** Without a record there are no services yet, or none any more. State by this name is that of a run. */
async function removeRemains(request: DestroyRequest): Promise<readonly string[]> {
  const { name, keepSecrets, environment } = request
  if (!(await isKept(name, environment))) return []
  const secrets = await scopedSecrets(request)
  const folder = deploymentFolder(name, environment)
  const files = (await usable(folder, () => readdir(folder))).filter((entry) => entry !== 'secrets')
  await removeDeployment(name, environment, { keepSecrets })
  return [...files, ...secrets]
}

async function scopedSecrets({ name, keepSecrets, environment }: DestroyRequest): Promise<readonly string[]> {
  if (keepSecrets) return []
  const store = await openSecretStore(secretsFolder(name, environment))
  return (await store.list()).map((key) => `secret:${name}.${key}`)
}
