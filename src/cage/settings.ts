import { realpath } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { machineOf } from '../config/isolation.ts'
import type { Config } from '../config/schema.ts'
import { homeFolder, pathFrom } from '../system/paths.ts'
import { volumeSource } from '../isolation/process/volumes.ts'

export interface Settings {
  /** As named; undefined: there is no configuration file. */
  readonly configPath: string | undefined
  readonly workingDirectory: string
}

/**
 * The files that decide about a cage, absolute: its configuration, the authorities that it trusts, a guest's kernel and
 * image, its inspectors.
 */
export function settingsFiles({ configPath, workingDirectory }: Settings, config: Config): readonly string[] {
  const { kernel, image } = machineOf(config)
  const named = [configPath, config.upstream.ca_file, kernel, image].filter((path) => path !== undefined)
  const folder = dirname(resolve(workingDirectory, configPath ?? '.'))
  const inspectors = config.inspectors.flatMap(({ path = [] }) => path)
  return [...named.map((path) => resolve(workingDirectory, path)), ...inspectors.map((path) => pathFrom(folder, path))]
}

/** The configuration's file, absolute. */
export function configPathOf({ configPath, workingDirectory }: Settings): string | undefined {
  return configPath === undefined ? undefined : resolve(workingDirectory, configPath)
}

interface ReachOptions {
  /** As named; undefined: the workload does not see it. */
  readonly project: string | undefined
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What of the host the workload sees, or may change: the project and the volumes, absolute. */
export function foldersInReach(
  { container }: Pick<Config, 'container'>,
  { project, workingDirectory, environment }: ReachOptions,
): readonly string[] {
  const home = environment['HOME'] ?? homeFolder()
  const volumes = container.volumes.map((text) => volumeSource(text, { environment, home, workingDirectory }))
  return project === undefined ? volumes : [resolve(workingDirectory, project), ...volumes]
}

/**
 * Whether the configuration lies in the project. There it is read-only for the workload, but whoever edits it on the host
 * replaces it, as editors do, and the kernel then drops that protection (rename(2) over a mount point of another
 * namespace): what it says from then on may be the workload's word.
 */
export async function isConfigInProject({ configPath, workingDirectory }: Settings, project: string): Promise<boolean> {
  if (configPath === undefined) return false
  const named = resolve(workingDirectory, configPath)
  const folder = await realOf(resolve(workingDirectory, project))
  return [named, await realOf(named)].some((path) => path.startsWith(`${folder}/`))
}

/** What does not exist stands for itself: using it fails by itself. */
async function realOf(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}
