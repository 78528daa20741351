import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { CageError } from '../errors.ts'
import { openSecretStore } from '../secrets/store.ts'
import { usable } from '../secrets/private-state.ts'
import { cageState, secretsFolder } from '../system/paths.ts'
import type { Report } from './backend.ts'
import { backendOf } from './backends.ts'
import { pruneShared } from './decisions.ts'
import { lockAllCages, lockCage } from './deployment-lock.ts'
import { readDeploymentRecord, removeDeployment, type Environment } from './deployment.ts'
import { findCage } from './running-cage.ts'

export interface DestroyRequest {
  readonly name: string
  readonly keepSecrets: boolean
  readonly environment: Environment
  readonly report: Report
}

/**
 * Ends a cage and removes what was made for it: services, state, secrets. What the agent works on stays: the project,
 * bind-mounted folders, named volumes. Yields what was removed; nothing when there was nothing.
 */
export async function destroyCage(request: DestroyRequest): Promise<readonly string[]> {
  const { name, environment, report } = request
  using _lock = await lockCage(name, environment)
  const record = await readDeploymentRecord(name, environment)
  if (record === undefined) return []
  const backend = await backendOf(record.isolation)
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
  return [...removed, ...secrets.map((key) => `secret:${name}.${key}`), ...(hadState ? ['state'] : [])]
}

async function scopedSecrets({ name, keepSecrets, environment }: DestroyRequest): Promise<readonly string[]> {
  if (keepSecrets) return []
  const store = await openSecretStore(secretsFolder(name, environment))
  return store.list()
}
