import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readRecords } from '../../audit/read.ts'
import type { Decision } from '../../audit/record.ts'
import { parseConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { limitWarnings } from '../../isolation/container/host-limits.ts'
import { buildEgressImage, imageToRun, planEgressImage } from '../../isolation/container/image/image.ts'
import { EGRESS_USER } from '../../isolation/container/egress-containers.ts'
import { findPodman, requirePodman, type Podman } from '../../isolation/container/podman.ts'
import { runSpecs } from '../../isolation/container/run-specs.ts'
import type { AgentVolumes } from '../../isolation/container/volumes.ts'
import type { WorkloadExit } from '../../isolation/isolation.ts'
import { findLeftovers, rememberProject } from '../../isolation/process/leftovers.ts'
import { surveyRepositories } from '../../isolation/process/repositories.ts'
import { placeStandIns } from '../../isolation/process/stand-ins.ts'
import { lockAllCages } from '../deployment-lock.ts'
import type { Deployment } from '../deployment.ts'
import { recordsOfOthers } from '../decisions.ts'
import { cageNameFor } from '../run-config.ts'
import { failureOf, interruptible, reportDefects } from '../run-failure.ts'
import type { RunRequest, RunResult } from '../run-request.ts'
import { findNetwork } from './network.ts'
import { planCage, volumesOf } from './plan.ts'
import { ensureWorkloadImage } from './podman-objects.ts'
import { readOwnText, runConfigText, WORKSPACE } from './run-config.ts'
import { saveRun, type RunDraft } from './run-deployment.ts'
import { startPart } from './run-egress.ts'
import { makeNetwork } from './run-network.ts'
import { openRunState, type RunState } from './run-state.ts'
import { followConfig } from './run-watch.ts'
import { writeSeccompFile } from './seccomp-file.ts'
import { startAgent, type ContainerWorkload } from './run-agent.ts'
import { egressFile, workloadFile } from './state-files.ts'

/** As `RunRequest`; COMMAND may be empty, and then is what the configuration or the image says. */
export interface ContainerRunRequest extends Omit<RunRequest, 'command' | 'preset' | 'onStarted' | 'service'> {
  readonly command: readonly string[]
  /** What to go by where there is no file, such as a scaffold. */
  readonly presetText?: string | undefined
  readonly onStarted: (workload: Pick<ContainerWorkload, 'terminal' | 'kill'>) => Disposable
}

/**
 * Runs a command in containers of its own, behind an egress in containers of its own, and removes all of them at its end.
 * What stays are placeholders and audit log. Throws as `runCage`.
 */
export async function runInContainers(request: ContainerRunRequest): Promise<RunResult> {
  const failure = new AbortController()
  try {
    return await runUntil(failure, request)
  } catch (error) {
    throw failure.signal.aborted ? failureOf(failure.signal.reason) : error
  }
}

async function runUntil(failure: AbortController, request: ContainerRunRequest): Promise<RunResult> {
  await using cleanup = new AsyncDisposableStack()
  const starting = cleanup.use(interruptible(failure))
  cleanup.use(reportDefects(failure))
  const { environment, log } = request
  const podman = findPodman(environment)
  await requirePodman(podman)
  const own = await readOwnText(request)
  const { project } = own
  const name = cageNameFor(parseConfig(own.text, own.source), project)
  const text = runConfigText({ ...own, name, additions: request.additions })
  const config = parseConfig(text, own.source)
  const state = cleanup.use(await openRunState(name, podman, environment))
  const image = await planEgressImage(EGRESS_USER)
  const draft: RunDraft = { request, config, name, state, own, image, text }
  cleanup.defer(async () => {
    for (const file of [workloadFile(state), egressFile(state)]) await rm(file, { force: true })
  })
  const deployment = await prepareFiles(podman, draft, failure.signal)
  failure.signal.throwIfAborted()
  const volumes = volumesOf(deployment, project)
  await writeSeccompFile(podman, deployment, volumes)
  const before = rememberProject(surveyRepositories(project))
  cleanup.use(placeStandIns(volumes.standIns))
  for (const warning of [...volumes.warnings, ...limitWarnings(config.container)]) log(`warning: ${warning}`)
  const started = new Date()
  // Whatever ended the workload: it may be what broke the egress.
  cleanup.defer(() => {
    for (const { path, reason } of findLeftovers(project, before))
      log(`warning: ${path} ${reason}; look at it before you use it outside the cage`)
  })
  const exit = await runParts({ request, podman, deployment, volumes, state, failure, starting, own })
  const auditPath = join(state.stateFolder, 'audit.jsonl')
  return { exit, auditPath, counts: await countsSince(auditPath, started) }
}

/** Images, network, and what the containers read; addresses are given out one run or cage at a time. */
async function prepareFiles(podman: Podman, draft: RunDraft, signal: AbortSignal): Promise<Deployment> {
  const { request, image, state } = draft
  const { environment, log } = request
  if (!(await podman.has('image', imageToRun(image)))) log('building the image of the egress...')
  await buildEgressImage(podman, image)
  await ensureWorkloadImage(podman, draft, { report: log, signal })
  signal.throwIfAborted()
  using _lock = await lockAllCages(environment)
  const network = await findNetwork({ name: draft.name, environment }, await recordsOfOthers(undefined, environment))
  await makeNetwork(podman, state.prefix, network)
  return await saveRun(podman, draft, network)
}

interface Parts {
  readonly request: ContainerRunRequest
  readonly podman: Podman
  readonly deployment: Deployment
  readonly volumes: AgentVolumes
  readonly state: RunState
  readonly failure: AbortController
  /** Ends what catches signals during the start. */
  readonly starting: Disposable
  readonly own: Parameters<typeof followConfig>[0]['own']
}

async function runParts(parts: Parts): Promise<WorkloadExit> {
  const { request, podman, deployment, volumes, state, failure, starting, own } = parts
  await using cleanup = new AsyncDisposableStack()
  const { config } = deployment
  const command = request.command.length > 0 ? request.command : config.container.command
  const plan = planCage({ ...deployment, config: withCommand(config, command) }, volumes)
  const specs = runSpecs(plan, {
    prefix: state.prefix,
    values: join(state.scratch, 'values'),
    workingDirectory: volumes.mounts.some(({ target }) => target === WORKSPACE) ? WORKSPACE : undefined,
  })
  const trusted = [specs.dns, specs.proxy].map((spec) => startPart(podman, spec, request.log))
  await Promise.all(trusted.map((part) => part.ready))
  failure.signal.throwIfAborted()
  let ending = false
  for (const { ended } of trusted) void ended.then((said) => ending || failure.abort(new Error(said)))
  cleanup.defer(await followConfig({ request, deployment, own }))
  const workload = startAgent(podman, specs.agent, request.stdio)
  // There may be no container yet: then it is to get none, and what has been made of it is removed at the end.
  const stop = async (): Promise<void> => {
    const { code } = await podman.run(['kill', '--signal', 'KILL', specs.agent.name])
    if (code !== 0) workload.kill('SIGKILL')
  }
  failure.signal.addEventListener('abort', () => void stop(), { once: true })
  // One catches signals before the other ceases: in between, a signal would end this process and clear nothing away.
  cleanup.use(request.onStarted(workload))
  starting[Symbol.dispose]()
  const exit = await workload.exited
  ending = true
  failure.signal.throwIfAborted()
  return exit
}

function withCommand(config: Config, command: readonly string[] | undefined): Config {
  return { ...config, container: { ...config.container, command: command === undefined ? undefined : [...command] } }
}

async function countsSince(path: string, started: Date): Promise<Readonly<Record<Decision, number>>> {
  const counts = { allowed: 0, flagged: 0, blocked: 0 }
  for await (const { record } of readRecords(path, { filter: { since: started.getTime() * 1000 } }))
    counts[record.decision] += 1
  return counts
}
