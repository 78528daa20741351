import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { copyPath, type KeptInspectors } from '../egress/inspect/custom/kept-program.ts'
import { readProgram, type InspectorProgram } from '../egress/inspect/custom/program.ts'
import { CageError } from '../errors.ts'
import { usable } from '../secrets/private-state.ts'
import { ensurePrivateFolder, isErrno, writeFileAtomic } from '../system/files.ts'
import { deploymentFolder } from '../system/paths.ts'
import type { DeploymentRecord } from './deployment-record.ts'
import { readDeploymentRecord, unknownCage, type Deployment, type Environment } from './deployment.ts'
import { inspectorFolders } from './inspector-folders.ts'
import { foldersInReach } from './settings.ts'

/** Where a cage keeps the copies of its inspectors, in its folder. */
export const INSPECTORS_FOLDER = 'inspectors'

/** What the egress of a cage that stays runs: the copies, as they are on record at each start and reload. */
export function keptInspectors(cage: string, environment: Environment): KeptInspectors {
  return {
    cage,
    folder: join(deploymentFolder(cage, environment), INSPECTORS_FOLDER),
    recorded: async () => {
      const record = await readDeploymentRecord(cage, environment)
      if (record === undefined) throw unknownCage(cage)
      return record.inspectors
    },
  }
}

/** The files that a configuration names, read where they lie now. Throws `config_invalid` for one that may not be used. */
export async function readInspectors({
  config,
  record,
  environment,
}: Pick<Deployment, 'config' | 'record' | 'environment'>): Promise<readonly InspectorProgram[]> {
  const reach = foldersInReach(config, {
    // A container sees its volumes only.
    project: record.isolation === 'container' ? undefined : record.project,
    workingDirectory: record.working_directory,
    environment: { HOME: environment['HOME'], ...record.environment },
  })
  const folders = inspectorFolders({ configPath: record.source, environment, reach })
  const programs: InspectorProgram[] = []
  for (const entry of config.inspectors) programs.push(await readProgram(entry, folders))
  return programs
}

/** What the record has of them. */
export function recordOfInspectors(programs: readonly InspectorProgram[]): DeploymentRecord['inspectors'] {
  return Object.fromEntries(programs.map(({ name, path, sha256 }) => [name, { path, sha256 }]))
}

/** Writes the copies, beside those that are there: what runs now goes on with its own. */
export async function keepInspectors(
  { folder }: Pick<Deployment, 'folder'>,
  programs: readonly InspectorProgram[],
): Promise<void> {
  if (programs.length === 0) return
  const copies = join(folder, INSPECTORS_FOLDER)
  await usable(copies, async () => {
    await ensurePrivateFolder(folder)
    await ensurePrivateFolder(copies)
    for (const program of programs) await writeFileAtomic(copyPath(copies, program), program.source, { mode: 0o600 })
  })
}

/** Removes the copies that are no longer on record. */
export async function forgetInspectors({ folder, record }: Pick<Deployment, 'folder' | 'record'>): Promise<void> {
  const copies = join(folder, INSPECTORS_FOLDER)
  const current = new Set(Object.values(record.inspectors).map((entry) => basename(copyPath(copies, entry))))
  await usable(copies, async () => {
    for (const name of await namesIn(copies)) if (!current.has(name)) await rm(join(copies, name), { force: true })
  })
}

/**
 * Throws `inspector_changed` when a file is no longer what was recorded: who starts a cage after such a change expects
 * something else to run than will. One that is gone says nothing; the cage has its copy.
 */
export async function requireUnchangedInspectors({
  name: cage,
  record,
}: Pick<Deployment, 'name' | 'record'>): Promise<void> {
  for (const [name, { path, sha256 }] of Object.entries(record.inspectors)) {
    const found = await digestOf(path)
    if (found === undefined || found === sha256) continue
    throw new CageError(
      'inspector_changed',
      `inspectors: ${name}: ${path} has changed since it was recorded for cage '${cage}': its SHA-256 is ${found}, not ${sha256}`,
      { hint: `Look at it; agentcage cage update ${cage} takes it as it is now.` },
    )
  }
}

async function digestOf(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined
    throw new CageError('state_unusable', `${path} cannot be read`, { cause: error })
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}
