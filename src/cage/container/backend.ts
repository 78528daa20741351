import { CageError } from '../../errors.ts'
import { EGRESS_USER } from '../../isolation/container/egress-containers.ts'
import { limitWarnings } from '../../isolation/container/host-limits.ts'
import { planEgressImage, pruneEgressImages } from '../../isolation/container/image/image.ts'
import { cageNames } from '../../isolation/container/names.ts'
import { findPodman, lastLine, requirePodman } from '../../isolation/container/podman.ts'
import { takenPort } from '../../isolation/container/taken-port.ts'
import { cageQuadlets } from '../../isolation/container/unit-files.ts'
import { placeStandIns } from '../../isolation/process/stand-ins.ts'
import { userManager } from '../../isolation/systemd/user-manager.ts'
import type { Backend, Part, Report, ServiceStatus, Step } from '../backend.ts'
import { loadDeployment, type Deployment, type Environment } from '../deployment.ts'
import type { DeploymentRecord } from '../deployment-record.ts'
import { serviceState } from '../service-state.ts'
import { executeInContainer } from './exec.ts'
import { restoreLostObjects } from './lost-objects.ts'
import { findNetwork } from './network.ts'
import { planCage, volumesOf } from './plan.ts'
import { ensureEgressImage, ensureWorkloadImage, removeFromPodman, storePodmanSecrets } from './podman-objects.ts'
import { writeSeccompFile } from './seccomp-file.ts'
import { stageValues, writeStateFiles, writeWorkloadFile } from './state-files.ts'
import { preparingServices, quadletFolder, removeUnits, serviceNames, unitFiles, writeUnits } from './units.ts'
import { unsetVariables } from './variables.ts'

/** Cages of three containers that Podman and systemd keep: DNS and proxy, and behind them the workload. */
export const containerBackend: Backend = {
  isolation: 'container',
  requireHost,
  decide,
  units: unitFiles,
  install,
  start,
  stop,
  reload,
  renewPlaceholders: writeWorkloadFile,
  remove,
  prune,
  status,
  exec: executeInContainer,
  journal: (name, parts) => parts.flatMap((part) => ['--unit', serviceNames(name)[part]]),
}

async function requireHost(environment: Environment): Promise<void> {
  userManager(environment)
  await requirePodman(findPodman(environment))
}

async function decide(draft: Deployment, others: readonly DeploymentRecord[]): ReturnType<Backend['decide']> {
  // Whatever the host refuses is refused now, before anything is saved.
  const volumes = volumesOf(draft)
  const image = await planEgressImage(EGRESS_USER)
  const network = draft.record.network ?? (await findNetwork(draft, others))
  const decided = { network, egress_image: image.hash, egress_base: image.base }
  cageQuadlets(planCage({ ...draft, record: { ...draft.record, ...decided } }, volumes))
  return decided
}

async function install(deployment: Deployment, step: Step): Promise<void> {
  const { name, environment } = deployment
  const podman = findPodman(environment)
  await ensureEgressImage(podman, deployment, step)
  await ensureWorkloadImage(podman, deployment, step)
  await writeStateFiles(deployment)
  await storePodmanSecrets(podman, deployment)
  const volumes = volumesOf(deployment)
  placeStandIns(volumes.standIns)
  await writeSeccompFile(podman, deployment, volumes)
  const limits = limitWarnings(deployment.config.container)
  for (const warning of [...volumes.warnings, ...unsetVariables(deployment), ...limits])
    step.report(`warning: ${warning}`)
  // What still runs by this name goes by files that are replaced now.
  await userManager(environment).systemctl(['stop', '--', ...Object.values(serviceNames(name))], 180_000)
  await writeUnits(unitFiles(deployment), environment)
  step.report(`Installed quadlet files to ${quadletFolder(environment)}/`)
}

/** What was removed from Podman since is missed when the units fail, not looked for at every start. */
async function start(deployment: Deployment, step: Step): Promise<void> {
  placeStandIns(volumesOf(deployment).standIns)
  try {
    await startParts(deployment)
  } catch (error) {
    if (step.signal?.aborted === true || !(await restoreLostObjects(deployment, step))) throw error
    step.signal?.throwIfAborted()
    await startParts(deployment)
  }
}

async function startParts({ name, environment, config }: Deployment): Promise<void> {
  const { dns, proxy, cage } = serviceNames(name)
  await startUnits([dns, proxy], { environment, patience: 90_000 })
  const { timeout_start_sec: seconds } = config.container
  await startUnits([cage], { environment, patience: ((seconds ?? 0) === 0 ? 3600 : (seconds ?? 0) + 10) * 1000 })
}

async function startUnits(
  units: readonly string[],
  { environment, patience }: { readonly environment: Environment; readonly patience: number },
): Promise<void> {
  const manager = userManager(environment)
  await manager.systemctl(['reset-failed', '--', ...units])
  const { code, stderr } = await manager.systemctl(['start', '--', ...units], patience)
  if (code === 0) return
  const failed = (await manager.show(units)).filter(({ active }) => active !== 'active').map(({ id }) => id)
  const lines = await manager.lastLines(
    failed.flatMap((unit) => ['--unit', unit]),
    LAST_LINES,
  )
  const problem = stderr.trim().split('\n')[0] || `${failed.join(' and ')} did not start in time`
  const taken = takenPort(lines)
  throw new CageError('service_failed', [problem, ...lines.map((line) => `  ${line}`)].join('\n'), {
    ...(taken !== undefined && { hint: `Another program has ${taken}: end it, or change container.ports.` }),
  })
}

const LAST_LINES = 20

/** The workload first: at its end it may have something to tell the internet. */
async function stop({ name, environment, config }: Deployment): Promise<void> {
  const { dns, proxy, cage } = serviceNames(name)
  const patience = (config.container.timeout_stop_sec + 30) * 1000
  for (const units of [[cage], [proxy, dns]]) {
    const { code, stderr } = await userManager(environment).systemctl(['stop', '--', ...units], patience)
    if (code !== 0 && !stderr.includes('not loaded'))
      throw new CageError('service_failed', `failed to stop ${units.join(' and ')}: ${stderr.trim()}`)
  }
  // A program that had to be killed has been stopped all the same.
  await userManager(environment).systemctl(['reset-failed', '--', dns, proxy, cage])
}

/** Values that only the host can fetch are fetched again; the workload gets the placeholders of now at its next start. */
async function reload(deployment: Deployment): Promise<void> {
  await writeWorkloadFile(deployment, await stageValues(deployment))
  const { proxy, dns } = cageNames(deployment.name)
  const podman = findPodman(deployment.environment)
  for (const container of [dns, proxy]) {
    const { code, stderr } = await podman.run(['kill', '--signal', 'HUP', container])
    if (code !== 0) throw new CageError('service_failed', `${container} could not be told: ${lastLine(stderr)}`)
  }
}

async function remove(name: string, environment: Environment, report: Report): Promise<readonly string[]> {
  const manager = userManager(environment)
  const { dns, proxy, cage } = serviceNames(name)
  for (const units of [[cage], [proxy, dns], preparingServices(name)])
    await manager.systemctl(['stop', '--', ...units], 180_000)
  report('Removing quadlet files...')
  const files = await removeUnits(name, environment)
  await manager.systemctl(['reset-failed', '--', dns, proxy, cage, ...preparingServices(name)])
  report('Removing Podman resources...')
  const objects = await removeFromPodman(findPodman(environment), name)
  await removeStandIns(name, environment)
  return [...files, ...objects]
}

/** Images of the egress that no cage has been made with. */
async function prune(environment: Environment, records: readonly DeploymentRecord[]): Promise<void> {
  await pruneEgressImages(
    findPodman(environment),
    records.flatMap(({ egress_image: hash }) => hash ?? []),
  )
}

/** What was put into the user's folders so that there was something to mount over. */
async function removeStandIns(name: string, environment: Environment): Promise<void> {
  try {
    placeStandIns(volumesOf(await loadDeployment(name, environment)).standIns)[Symbol.dispose]()
  } catch (error) {
    // Folders or the configuration may be gone; then it is not known any more where they were.
    if (!(error instanceof CageError)) throw error
  }
}

const PARTS = ['proxy', 'dns', 'cage'] as const satisfies readonly Part[]

async function status({
  name,
  environment,
}: Pick<Deployment, 'name' | 'environment'>): Promise<readonly ServiceStatus[]> {
  const services = serviceNames(name)
  const states = await userManager(environment).show(PARTS.map((part) => services[part]))
  return PARTS.map((part, index) => ({
    unit: services[part],
    part,
    state: serviceState(states[index]),
  }))
}
