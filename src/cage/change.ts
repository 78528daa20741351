import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isolationOf } from '../config/isolation.ts'
import { configDigest } from '../config/file.ts'
import { parseConfig } from '../config/load.ts'
import { CageError } from '../errors.ts'
import { readPrivateFile, usable } from '../secrets/private-state.ts'
import { writeFileAtomic } from '../system/files.ts'
import { reserveSpace } from '../system/reserved-space.ts'
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
/** Most records have a kilobyte. */
const MAX_RECORD = 65_536

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
  const former = await readInForce(deployment.stateFolder)
  if (former !== undefined) await requireSpaceForAnswers(deployment.stateFolder)
  // What is refused is taken back also where the disk is full by then.
  await using reserved = await reserve(deployment, before)
  let next: Deployment
  let live: boolean
  try {
    next = await recordInspectors({ ...deployment, config }, deployment)
    await saveConfig(deployment, after)
    live = former !== undefined && (await takesEffect(deployment, configDigest(after), former))
  } catch (error) {
    await reserved[Symbol.asyncDispose]()
    await saveConfig(deployment, before)
    await saveRecord(deployment)
    await forgetInspectors(deployment)
    throw error
  }
  await forgetInspectors(next)
  return { changed: true, live, needsRestart: live ? restartKeys(deployment.config, config) : [] }
}

async function reserve({ folder, configPath }: Deployment, text: string): Promise<AsyncDisposable> {
  return usable(configPath, () => reserveSpace(folder, Buffer.byteLength(text) + MAX_RECORD))
}

/** Bytes; the two parts of an egress answer with a few kilobytes each. */
const FOR_ANSWERS = 65_536

/** An egress that cannot write its answer would be taken for one that has none. */
async function requireSpaceForAnswers(stateFolder: string): Promise<void> {
  await using _space = await usable(stateFolder, () => reserveSpace(stateFolder, FOR_ANSWERS))
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

/**
 * As `changeConfig`, for a text from an editor: what is wrong is kept as `.rejected`, or below /tmp where the disk is full,
 * what was before as `.bak`.
 */
export async function replaceConfig(name: string, environment: Environment, text: string): Promise<Change> {
  const { folder } = await loadDeployment(name, environment)
  const rejected = join(folder, `${CONFIG_FILE}.rejected`)
  let before: string | undefined
  let change: Change
  try {
    change = await changeConfig(name, environment, (current) => {
      before = current
      return text
    })
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    const kept = await keep(rejected, text).catch(() => keepElsewhere(text).catch(() => 'no place: none takes it'))
    throw saying(error, `Nothing was changed. Your text is kept in ${kept}`)
  }
  if (change.changed && before !== undefined) await keepFormer(join(folder, `${CONFIG_FILE}.bak`), before)
  await rm(rejected, { force: true })
  return change
}

async function keepFormer(path: string, text: string): Promise<void> {
  try {
    await keep(path, text)
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    throw saying(error, 'Your text is in force all the same; what was before it is not kept.')
  }
}

/** The same error with a further line of hint. */
function saying(error: CageError, line: string): CageError {
  const hint = [error.hint, line].filter(Boolean).join('\n')
  return new CageError(error.code, error.message, { hint, cause: error })
}

/** What somebody has typed is not lost because the disk is full. */
async function keepElsewhere(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agentcage-rejected-'))
  return keep(join(folder, CONFIG_FILE), text)
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

async function keep(path: string, text: string): Promise<string> {
  await usable(path, () => writeFileAtomic(path, text, { mode: 0o600 }))
  return path
}
