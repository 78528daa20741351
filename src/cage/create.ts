import { existsSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { isolationOf } from '../config/isolation.ts'
import { readConfigBytes } from '../config/file.ts'
import { parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { CageError } from '../errors.ts'
import type { InspectorProgram } from '../egress/inspect/custom/program.ts'
import type { Secret } from '../secrets/secret.ts'
import { openSecretStore } from '../secrets/store.ts'
import { isErrno } from '../system/files.ts'
import { secretsFolder } from '../system/paths.ts'
import type { Backend, Report, UnitFile } from './backend.ts'
import { backendOf } from './backends.ts'
import { decided } from './decisions.ts'
import { lockAllCages, lockCage } from './deployment-lock.ts'
import { INSPECTORS_FOLDER, keepInspectors, readInspectors, recordOfInspectors } from './deployment-inspectors.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import {
  CONFIG_FILE,
  deploymentOf,
  readDeploymentRecord,
  RECORD_FILE,
  saveDeployment,
  SECCOMP_FILE,
  type Deployment,
  type Environment,
} from './deployment.ts'
import { keptEnvironment } from './process-service.ts'
import { interruptible, uninterrupted, untilInterrupted } from './run-failure.ts'
import { requireSecrets } from './secrets-missing.ts'
import { halfDone, Undo } from './undo.ts'

export interface CreateRequest {
  /** Path of the configuration, as named. */
  readonly configPath: string
  /** Values to keep in the cage's store. */
  readonly secrets: readonly Secret[]
  /** The project folder of `isolation: process`, as named. */
  readonly project: string
  readonly start: boolean
  readonly workingDirectory: string
  readonly environment: Environment
  /** Of agentcage. */
  readonly version: string
  readonly report: Report
}

/** The units that `createCage` would write; nothing is changed. */
export async function planCage(request: CreateRequest): Promise<readonly UnitFile[]> {
  const { draft, backend } = await draftOf(request)
  return backend.units(await decided(draft, backend))
}

/**
 * Makes a cage that stays: checks everything first, saves it, makes services of it and starts them. All or nothing: when a
 * step fails, what the steps before it made is removed again, and the error says which step and why. SIGINT, SIGTERM and
 * SIGHUP fail the step that they meet (StartInterrupted). What cannot be removed stays as an incomplete cage.
 */
export async function createCage(request: CreateRequest): Promise<Deployment> {
  const { draft, bytes, backend, programs } = await draftOf(request)
  using _lock = await lockCage(draft.name, request.environment)
  const before = await readDeploymentRecord(draft.name, request.environment)
  if (before !== undefined && before.incomplete === undefined) throw exists(draft.name)
  await requireSecrets(draft, request.secrets)
  const failure = new AbortController()
  const { signal } = failure
  const step = { report: request.report, signal }
  using _interruptible = interruptible(failure)
  const undo = new Undo()
  try {
    const deployment = await saveDecided(draft, { backend, bytes, programs, undo })
    await keepSecrets(deployment, request.secrets, undo)
    undo.defer(async () => {
      await backend.remove(deployment.name, deployment.environment, () => {})
    })
    await uninterrupted(backend.install(deployment, step), signal)
    if (request.start) await untilInterrupted(backend.start(deployment, step), signal)
    const { incomplete: _, ...record } = deployment.record
    const complete = deploymentOf({ ...deployment, record })
    await saveDeployment(complete, bytes)
    return complete
  } catch (error) {
    const mend = `agentcage cage destroy ${draft.name} removes what is left; the same create makes it anew.`
    await undo.run().catch((reason: unknown) => {
      throw halfDone(error, reason, { mend })
    })
    throw error
  }
}

interface Draft {
  readonly draft: Deployment
  readonly bytes: Buffer
  readonly backend: Backend
  readonly programs: readonly InspectorProgram[]
}

async function draftOf(request: CreateRequest): Promise<Draft> {
  const { workingDirectory, environment } = request
  const source = resolve(workingDirectory, request.configPath)
  const bytes = await readConfigBytes(source)
  const config = parseConfig(bytes.toString('utf8'), request.configPath)
  if (config.name === undefined) throw new CageError('config_invalid', `'name' is required in config`)
  const backend = await backendOf(isolationOf(config))
  await backend.requireHost(environment)
  const plain = newRecord(request, config, source)
  const programs = await readInspectors({ config, environment, record: plain })
  const record = { ...plain, inspectors: recordOfInspectors(programs) }
  return { draft: deploymentOf({ name: config.name, record, config, environment }), bytes, backend, programs }
}

function newRecord(request: CreateRequest, config: Config, source: string): DeploymentRecord {
  const now = new Date().toISOString()
  return {
    version: 1,
    isolation: isolationOf(config),
    created: now,
    updated: now,
    agentcage: request.version,
    source,
    incomplete: true,
    working_directory: request.workingDirectory,
    project: resolve(request.workingDirectory, request.project),
    environment: keptEnvironment(config, request.environment),
    inspectors: {},
  }
}

/** Deciding and saving are one step to other cages: no address is given twice. */
async function saveDecided(
  draft: Deployment,
  { backend, bytes, programs, undo }: Omit<Draft, 'draft'> & { readonly undo: Undo },
): Promise<Deployment> {
  using _lock = await lockAllCages(draft.environment)
  const deployment = await decided(draft, backend)
  // Secrets that were set before belong to whoever set them, as does the state of an earlier run of this name.
  const hadState = existsSync(deployment.stateFolder)
  undo.defer(async () => {
    await rm(join(deployment.folder, RECORD_FILE), { force: true })
    await rm(join(deployment.folder, CONFIG_FILE), { force: true })
    await rm(join(deployment.folder, INSPECTORS_FOLDER), { recursive: true, force: true })
    await rm(join(deployment.folder, SECCOMP_FILE), { force: true })
    await removeEmptyFolders([join(deployment.folder, 'secrets'), deployment.folder])
    if (!hadState) await rm(deployment.stateFolder, { recursive: true, force: true })
  })
  await keepInspectors(deployment, programs)
  await saveDeployment(deployment, bytes)
  return deployment
}

async function removeEmptyFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    await rmdir(folder).catch((error: unknown) => {
      if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'ENOENT')) throw error
    })
  }
}

async function keepSecrets({ name, environment }: Deployment, secrets: readonly Secret[], undo: Undo): Promise<void> {
  if (secrets.length === 0) return
  const store = await openSecretStore(secretsFolder(name, environment))
  for (const secret of secrets) {
    const before = await store.get(secret.name)
    undo.defer(async () => {
      if (before === undefined) await store.remove(secret.name)
      else await store.set(secret.name, before.reveal())
    })
    await store.set(secret.name, secret.reveal())
  }
}

function exists(name: string): CageError {
  return new CageError('cage_exists', `cage '${name}' already exists`, {
    hint: `Use 'agentcage cage update ${name}' to update it.`,
  })
}

/** Where the units of a cage lie, for people. */
export function foldersOf(units: readonly UnitFile[]): readonly string[] {
  return [...new Set(units.map(({ path }) => `${dirname(path)}/`))]
}
