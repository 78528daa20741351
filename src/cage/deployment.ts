import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { CageError } from '../errors.ts'
import { isPrivateFolder, readPrivateFile, usable } from '../secrets/private-state.ts'
import { ensurePrivateFolder, syncFolder, writeFileAtomic } from '../system/files.ts'
import { cageState, deploymentFolder, deploymentsFolder, isCageName, secretsFolder } from '../system/paths.ts'
import { formatRecord, isolationWrittenIn, parseRecord, type DeploymentRecord } from './deployment-record.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A cage that stays: what is kept of it. */
export interface Deployment {
  readonly name: string
  /** 0700; holds the configuration, the record and the secrets. */
  readonly folder: string
  /** The user's configuration, byte for byte. The egress watches it. */
  readonly configPath: string
  readonly config: Config
  readonly record: DeploymentRecord
  /** Certificate authority, placeholders, audit log, and what the running cage says of itself. */
  readonly stateFolder: string
  /** Of the command that works on the cage. */
  readonly environment: Environment
}

export const CONFIG_FILE = 'cage.yaml'
export const RECORD_FILE = 'deployment.json'
/** Of a cage of containers, see container/seccomp-file.ts. */
export const SECCOMP_FILE = 'seccomp.json'

const MAX_CONFIG = 1_048_576
const MAX_RECORD = 1_048_576

/** The cage of this name. Throws `cage_unknown`, `state_unusable`, or `config_invalid` when its configuration is no longer right. */
export async function loadDeployment(name: string, environment: Environment): Promise<Deployment> {
  const record = await readDeploymentRecord(name, environment)
  if (record === undefined) throw unknownCage(name)
  const configPath = join(deploymentFolder(name, environment), CONFIG_FILE)
  const bytes = await readPrivateFile(configPath, MAX_CONFIG)
  if (bytes === undefined) throw new CageError('state_unusable', `${configPath} is missing`)
  return deploymentOf({ name, record, config: parseConfig(bytes.toString('utf8'), configPath), environment })
}

/** What is kept of a cage, as a value; nothing is read or written. */
export function deploymentOf(parts: Pick<Deployment, 'name' | 'record' | 'config' | 'environment'>): Deployment {
  const folder = deploymentFolder(parts.name, parts.environment)
  const stateFolder = cageState(parts.name, parts.environment)
  return { ...parts, folder, configPath: join(folder, CONFIG_FILE), stateFolder }
}

/** The record of a cage; undefined when there is no such cage. A folder with secrets only is none yet. */
export async function readDeploymentRecord(
  name: string,
  environment: Environment,
): Promise<DeploymentRecord | undefined> {
  if (!isCageName(name)) throw unknownCage(name)
  const folder = deploymentFolder(name, environment)
  if (!(await isPrivateFolder(folder))) return undefined
  const path = join(folder, RECORD_FILE)
  const bytes = await readPrivateFile(path, MAX_RECORD)
  return bytes === undefined ? undefined : parseRecord(bytes.toString('utf8'), path)
}

/**
 * What isolates a cage, as long as its record says that, be it one that this agentcage cannot read. Undefined when there is
 * no such cage. Throws `state_unusable`.
 */
export async function readIsolation(
  name: string,
  environment: Environment,
): Promise<DeploymentRecord['isolation'] | undefined> {
  try {
    return (await readDeploymentRecord(name, environment))?.isolation
  } catch (error) {
    const bytes = await readPrivateFile(join(deploymentFolder(name, environment), RECORD_FILE), MAX_RECORD)
    const isolation = isolationWrittenIn(bytes?.toString('utf8') ?? '')
    if (isolation === undefined) throw error
    return isolation
  }
}

/** Whether anything is kept by this name, a cage or not. Throws `cage_unknown` for what can name none. */
export async function isKept(name: string, environment: Environment): Promise<boolean> {
  if (!isCageName(name)) throw unknownCage(name)
  return isPrivateFolder(deploymentFolder(name, environment))
}

/** Names of all cages, sorted. */
export async function deploymentNames(environment: Environment): Promise<readonly string[]> {
  const folder = deploymentsFolder(environment)
  if (!(await isPrivateFolder(folder))) return []
  const found: string[] = []
  for (const name of (await usable(folder, () => readdir(folder))).filter(isCageName)) {
    if (existsSync(join(folder, name, RECORD_FILE))) found.push(name)
  }
  return found.toSorted()
}

/** Saves configuration and record, each in one step. The record comes last: it is what makes the cage one. */
export async function saveDeployment(deployment: Deployment, configText: string | Buffer): Promise<void> {
  const { folder } = deployment
  await usable(folder, () => ensurePrivateFolder(folder))
  await saveConfig(deployment, configText)
  await saveRecord(deployment)
}

/** Replaces the record in one step. */
export async function saveRecord({ folder, record }: Pick<Deployment, 'folder' | 'record'>): Promise<void> {
  const path = join(folder, RECORD_FILE)
  await usable(path, () => writeFileAtomic(path, formatRecord(record), { mode: 0o600 }))
}

/** Replaces the configuration in one step; a running egress sees it at once. */
export async function saveConfig({ configPath }: Pick<Deployment, 'configPath'>, text: string | Buffer): Promise<void> {
  await usable(configPath, () => writeFileAtomic(configPath, text, { mode: 0o600 }))
}

/**
 * Forgets a cage. Secrets go first: none stays behind when this is cut off. The record is next, so that what is left then is
 * no cage. Yields whether there was anything. The state folder stays.
 */
export async function removeDeployment(
  name: string,
  environment: Environment,
  { keepSecrets = false }: { readonly keepSecrets?: boolean } = {},
): Promise<boolean> {
  const folder = deploymentFolder(name, environment)
  if (!(await isPrivateFolder(folder))) return false
  return usable(folder, async () => {
    if (!keepSecrets) await rm(secretsFolder(name, environment), { recursive: true, force: true })
    await syncFolder(folder)
    await rm(join(folder, RECORD_FILE), { force: true })
    await syncFolder(folder)
    const entries = (await readdir(folder)).filter((entry) => !(keepSecrets && entry === 'secrets'))
    for (const entry of entries) await rm(join(folder, entry), { recursive: true, force: true })
    if ((await readdir(folder)).length === 0) await rmdir(folder)
    await syncFolder(deploymentsFolder(environment))
    return true
  })
}

export function unknownCage(name: string): CageError {
  return new CageError('cage_unknown', `cage '${name.slice(0, 80)}' does not exist`, {
    hint: 'agentcage cage list shows those that do.',
  })
}
