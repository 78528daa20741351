import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isolationOf } from '../config/isolation.ts'
import { configDigest } from '../config/file.ts'
import { parseConfig } from '../config/load.ts'
import { CageError } from '../errors.ts'
import { readPrivateFile, usable } from '../secrets/private-state.ts'
import { writeFileAtomic } from '../system/files.ts'
import { backendOf } from './backends.ts'
import { forgetInspectors, keepInspectors, readInspectors, recordOfInspectors } from './deployment-inspectors.ts'
import { lockCage } from './deployment-lock.ts'
import { CONFIG_FILE, loadDeployment, saveConfig, saveRecord, type Deployment, type Environment } from './deployment.ts'
import { awaitInForce, isInForce, readInForce, type InForce } from './in-force.ts'
import { requireSecrets } from './secrets-missing.ts'
import { restartKeys } from './restart-keys.ts'

/** How a change of a cage's configuration went. */
export interface Change {
  /** Whether anything was written. */
  readonly changed: boolean
  /** Whether a running egress goes by it now. False: the cage does not run. */
  readonly live: boolean
  /** Keys whose new values count from the next start on. */
  readonly needsRestart: readonly string[]
}

const MAX_CONFIG = 1_048_576

/** The configuration of a cage as it stands. */
export async function readConfigText(deployment: Pick<Deployment, 'configPath'>): Promise<string> {
  const bytes = await readPrivateFile(deployment.configPath, MAX_CONFIG)
  if (bytes === undefined) throw new CageError('state_unusable', `${deployment.configPath} is missing`)
  return bytes.toString('utf8')
}

/**
 * Changes a cage's configuration: `edit` gets the text and gives another. It is checked before anything is written, and
 * a running egress puts it in force before this returns, without the agent noticing. What it refuses is taken back.
 */
export async function changeConfig(
  name: string,
  environment: Environment,
  edit: (text: string, deployment: Deployment) => string,
): Promise<Change> {
  using _lock = await lockCage(name, environment)
  const deployment = await loadDeployment(name, environment)
  const before = await readConfigText(deployment)
  const after = edit(before, deployment)
  if (after === before) return { changed: false, live: false, needsRestart: [] }
  const config = parseConfig(after, CONFIG_FILE)
  refuseOther(deployment, config.name, isolationOf(config))
  await requireSecrets({ ...deployment, config })
  const next = await recordInspectors({ ...deployment, config }, deployment)
  const former = await readInForce(deployment.stateFolder)
  await saveConfig(deployment, after)
  let live: boolean
  try {
    live = former !== undefined && (await takesEffect(deployment, configDigest(after), former))
  } catch (error) {
    await saveConfig(deployment, before)
    await saveRecord(deployment)
    await forgetInspectors(deployment)
    throw error
  }
  await forgetInspectors(next)
  return { changed: true, live, needsRestart: live ? restartKeys(deployment.config, config) : [] }
}

/** How long an answer is waited for before systemd is asked whether there is anybody to give it. Most come in a tenth of it. */
const GLANCE_MS = 300

/**
 * Waits until the running egress goes by the configuration with this digest. Yields false where none runs, whatever one
 * said before. Throws `reload_failed`.
 */
async function takesEffect(deployment: Deployment, digest: string, former: InForce): Promise<boolean> {
  const { stateFolder } = deployment
  const isAnswer = (report: InForce): boolean => report.config_sha256 === digest
  const isNew = ({ process, serial }: InForce): boolean => process !== former.process || serial !== former.serial
  if (!(await isInForce(stateFolder, (report) => isAnswer(report) && isNew(report), GLANCE_MS))) {
    if (!(await isRunning(deployment))) return false
    await awaitInForce(stateFolder, isAnswer)
  }
  // Programs that ask no proxy go by what names resolve to, and that another process decides.
  if (deployment.record.isolation === 'container') await awaitInForce(join(stateFolder, 'dns'), isAnswer)
  return true
}

/** Another list of inspectors is read and recorded before the egress sees it. Yields the cage as it is on record then. */
async function recordInspectors(next: Deployment, { config: former }: Deployment): Promise<Deployment> {
  if (isDeepStrictEqual(next.config.inspectors, former.inspectors)) return next
  const programs = await readInspectors(next)
  await keepInspectors(next, programs)
  const recorded = { ...next, record: { ...next.record, inspectors: recordOfInspectors(programs) } }
  await saveRecord(recorded)
  return recorded
}

/** As `changeConfig`, for a text from an editor: what is wrong is kept as `.rejected`, what was before as `.bak`. */
export async function replaceConfig(name: string, environment: Environment, text: string): Promise<Change> {
  const { folder } = await loadDeployment(name, environment)
  const rejected = join(folder, `${CONFIG_FILE}.rejected`)
  let before: string | undefined
  try {
    const change = await changeConfig(name, environment, (current) => {
      before = current
      return text
    })
    if (change.changed && before !== undefined) await keep(join(folder, `${CONFIG_FILE}.bak`), before)
    await rm(rejected, { force: true })
    return change
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    await keep(rejected, text)
    const hint = [error.hint, `Nothing was changed. Your text is kept in ${rejected}`].filter(Boolean).join('\n')
    throw new CageError(error.code, error.message, { hint, cause: error })
  }
}

/** Whether there is an egress to put it in force. One that we can look up ourselves need not be asked for. */
async function isRunning(deployment: Deployment): Promise<boolean> {
  if ((await readInForce(deployment.stateFolder)) === undefined) return false
  if (deployment.record.isolation === 'process') return true
  const backend = await backendOf(deployment.record.isolation)
  return (await backend.status(deployment)).some(({ part, state }) => part === 'proxy' && state === 'running')
}

function refuseOther({ name, record }: Deployment, newName: string | undefined, isolation: string): void {
  if (newName !== name) {
    throw new CageError('config_invalid', `config name '${newName ?? ''}' does not match cage '${name}'`)
  }
  if (isolation === record.isolation) return
  throw new CageError('config_invalid', `cage '${name}' has isolation: ${record.isolation}, not ${isolation}`, {
    hint: `Use 'agentcage cage update ${name} -c FILE' to make it anew.`,
  })
}

async function keep(path: string, text: string): Promise<void> {
  await usable(path, () => writeFileAtomic(path, text, { mode: 0o600 }))
}
