import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isolationOf } from '../config/isolation.ts'
import { readConfigBytes } from '../config/file.ts'
import { parseConfig } from '../config/load.ts'
import type { InspectorProgram } from '../egress/inspect/custom/program.ts'
import { CageError } from '../errors.ts'
import { usable } from '../secrets/private-state.ts'
import { reserveSpace } from '../system/reserved-space.ts'
import type { Backend, Report } from './backend.ts'
import { backendOf } from './backends.ts'
import { readConfigText } from './change.ts'
import { decided, pruneShared } from './decisions.ts'
import { lockAllCages, lockCage } from './deployment-lock.ts'
import { forgetInspectors, keepInspectors, readInspectors, recordOfInspectors } from './deployment-inspectors.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import { deploymentOf, loadDeployment, saveDeployment, type Deployment, type Environment } from './deployment.ts'
import { keptEnvironment } from './process-service.ts'
import { interruptible, uninterrupted, untilInterrupted } from './run-failure.ts'
import { requireSecrets } from './secrets-missing.ts'
import { halfDone } from './undo.ts'

export interface UpdateRequest {
  readonly name: string
  /** Path of a new configuration, as named; absent: the one that is saved. */
  readonly configPath?: string | undefined
  readonly workingDirectory: string
  readonly environment: Environment
  readonly version: string
  readonly report: Report
}

/**
 * Makes a cage's services anew, with another configuration or with what this agentcage makes of the saved one, and starts
 * them if they ran. When that fails, or a signal comes (StartInterrupted), the cage is put back as it was.
 */
export async function updateCage(request: UpdateRequest): Promise<void> {
  const { name, environment, report } = request
  using _lock = await lockCage(name, environment)
  const before = await loadDeployment(name, environment)
  const oldText = await readConfigText(before)
  const { text, after, programs } = await nextDeployment(request, before, oldText)
  const backend = await backendOf(after.record.isolation)
  await backend.requireHost(environment)
  await requireSecrets(after)
  using _all = await lockAllCages(environment)
  const next = await decided(after, backend)
  const ran = (await backend.status(before)).some(({ state }) => state !== 'stopped' && state !== 'failed')
  await using reserved = await reserve(next, backend)
  const failure = new AbortController()
  const { signal } = failure
  using _interruptible = interruptible(failure)
  report('Stopping services...')
  try {
    await uninterrupted(backend.stop(before), signal)
    await keepInspectors(next, programs)
    await saveDeployment(next, text)
    await uninterrupted(backend.install(next, { report, signal }), signal)
    if (ran) await untilInterrupted(backend.start(next, { report, signal }), signal)
  } catch (error) {
    await reserved[Symbol.asyncDispose]()
    await putBack({ before, oldText, ran, report }).catch((reason: unknown) => {
      throw halfDone(error, reason, { mend: `agentcage cage update ${name} makes its services anew.` })
    })
    throw error
  }
  await forgetInspectors(next)
  await pruneShared(backend, environment)
}

/** Bytes: the largest configuration, the record, and what a backend writes. */
const FOR_PUTTING_BACK = 1_179_648

/** On a full disk an update would fail half-way, and putting back too: what that takes is set aside before anything stops. */
async function reserve(next: Deployment, backend: Backend): Promise<AsyncDisposable> {
  await using reserved = new AsyncDisposableStack()
  const units = backend.units(next).map(({ path }) => dirname(path))
  for (const folder of new Set([next.folder, next.stateFolder, ...units]))
    if (existsSync(folder)) reserved.use(await usable(folder, () => reserveSpace(folder, FOR_PUTTING_BACK)))
  return reserved.move()
}

async function nextDeployment(
  { name, configPath, workingDirectory, environment, version }: UpdateRequest,
  before: Deployment,
  oldText: string,
): Promise<{
  readonly text: string
  readonly after: Deployment
  readonly programs: readonly InspectorProgram[]
}> {
  const source = configPath === undefined ? undefined : resolve(workingDirectory, configPath)
  const text = source === undefined ? oldText : (await readConfigBytes(source)).toString('utf8')
  const config = parseConfig(text, configPath ?? before.configPath)
  if (config.name !== name) {
    throw new CageError('config_invalid', `config name '${config.name ?? ''}' does not match cage '${name}'`)
  }
  if (isolationOf(config) !== before.record.isolation) {
    throw new CageError('config_invalid', `cage '${name}' has isolation: ${before.record.isolation}`, {
      hint: `Another isolation is another cage: destroy this one and create it again.`,
    })
  }
  const plain: DeploymentRecord = {
    ...before.record,
    updated: new Date().toISOString(),
    agentcage: version,
    source: source ?? before.record.source,
    environment: keptEnvironment(config, { ...before.record.environment, ...environment }),
  }
  const programs = await readInspectors({ config, environment, record: plain })
  const record = { ...plain, inspectors: recordOfInspectors(programs) }
  return { text, after: deploymentOf({ name, record, config, environment }), programs }
}

interface Former {
  readonly before: Deployment
  readonly oldText: string
  readonly ran: boolean
  readonly report: Report
}

async function putBack({ before, oldText, ran, report }: Former): Promise<void> {
  report('The update failed; putting the cage back as it was...')
  const backend = await backendOf(before.record.isolation)
  await saveDeployment(before, oldText)
  await backend.install(before, { report })
  if (ran) {
    // What the update started may be on its way still, and would only be joined.
    await backend.stop(before)
    await backend.start(before, { report })
  }
  await forgetInspectors(before)
}
