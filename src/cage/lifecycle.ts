import { CageError } from '../errors.ts'
import { cageState } from '../system/paths.ts'
import type { Backend, Part, Report, ServiceStatus } from './backend.ts'
import { backendOf } from './backends.ts'
import { requireUnchangedInspectors } from './deployment-inspectors.ts'
import { lockCage } from './deployment-lock.ts'
import {
  deploymentNames,
  deploymentOf,
  loadDeployment,
  readDeploymentRecord,
  unknownCage,
  type Deployment,
  type Environment,
} from './deployment.ts'
import { awaitInForce, readInForce } from './in-force.ts'
import { emptyConfig } from './run-config.ts'
import { notRunning } from './process-exec.ts'
import { requireSecrets } from './secrets-missing.ts'

/** A cage as `cage list` shows it. */
export interface CageSummary {
  readonly name: string
  readonly isolation: string
  /** `running (3/3)`, `stopped (0/3)`, `degraded (2/3)`, `incomplete`, `unusable`: what is kept of it cannot be read. */
  readonly status: string
  readonly services: readonly ServiceStatus[]
}

export async function listCages(environment: Environment): Promise<readonly CageSummary[]> {
  const cages: CageSummary[] = []
  for (const name of await deploymentNames(environment))
    cages.push(await cageStatus(name, environment).catch((error: unknown) => unusable(name, error)))
  return cages
}

/** One that cannot be read hides no other. */
function unusable(name: string, error: unknown): CageSummary {
  if (!(error instanceof CageError) || error.code !== 'state_unusable') throw error
  return { name, isolation: 'unknown', status: 'unusable', services: [] }
}

/** Throws `cage_unknown`. A configuration that is no longer right is no hindrance. */
export async function cageStatus(name: string, environment: Environment): Promise<CageSummary> {
  const record = await readDeploymentRecord(name, environment)
  if (record === undefined) throw unknownCage(name)
  const backend = await backendOf(record.isolation)
  const services = await backend.status({ name, record, environment })
  const status = record.incomplete === true ? 'incomplete' : statusText(services)
  return { name, isolation: record.isolation, status, services }
}

function statusText(services: readonly ServiceStatus[]): string {
  const running = services.filter(({ state }) => state === 'running').length
  const word = running === services.length ? 'running' : running === 0 ? 'stopped' : 'degraded'
  const failed = running === 0 && services.some(({ state }) => state === 'failed')
  return `${failed ? 'failed' : word} (${running}/${services.length})`
}

export async function startCage(name: string, environment: Environment, report: Report): Promise<void> {
  await withCage(name, environment, async (deployment, backend) => {
    await requireSecrets(deployment)
    await requireUnchangedInspectors(deployment)
    await backend.start(deployment, { report })
  })
}

/** Also when the configuration is no longer right: a cage can always be stopped. */
export async function stopCage(name: string, environment: Environment): Promise<void> {
  using _lock = await lockCage(name, environment)
  const record = await readDeploymentRecord(name, environment)
  if (record === undefined) throw unknownCage(name)
  const config = await loadDeployment(name, environment).then(
    (deployment) => deployment.config,
    () => ({ ...emptyConfig(), name }),
  )
  await (await backendOf(record.isolation)).stop(deploymentOf({ name, record, config, environment }))
}

export async function restartCage(name: string, environment: Environment, report: Report): Promise<void> {
  await withCage(name, environment, async (deployment, backend) => {
    await requireSecrets(deployment)
    await requireUnchangedInspectors(deployment)
    await backend.stop(deployment)
    await backend.start(deployment, { report })
  })
}

/** Makes a running egress read configuration and secrets again; returns once they are in force. The agent goes on. */
export async function reloadCage(name: string, environment: Environment): Promise<void> {
  await withCage(name, environment, async (deployment, backend) => {
    const before = await readInForce(deployment.stateFolder)
    if (before === undefined) throw notRunning(name)
    await backend.reload(deployment)
    await awaitInForce(
      deployment.stateFolder,
      (report) => report.process !== before.process || report.serial > before.serial,
    )
  })
}

/** As `reloadCage` where the cage runs, and nothing where it does not or there is none. Yields whether it runs. */
export async function reloadIfRunning(name: string, environment: Environment): Promise<boolean> {
  const record = await readDeploymentRecord(name, environment)
  if (record === undefined || (await readInForce(cageState(name, environment))) === undefined) return false
  await reloadCage(name, environment)
  return true
}

export const ALL_PARTS: readonly Part[] = ['cage', 'proxy', 'dns']

async function withCage(
  name: string,
  environment: Environment,
  action: (deployment: Deployment, backend: Backend) => Promise<void>,
): Promise<void> {
  using _lock = await lockCage(name, environment)
  const deployment = await loadDeployment(name, environment)
  await action(deployment, await backendOf(deployment.record.isolation))
}
