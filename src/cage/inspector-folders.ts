import { dirname, isAbsolute, join } from 'node:path'
import type { InspectorFolders } from '../egress/inspect/custom/program.ts'
import { configHome } from '../system/paths.ts'

export interface InspectorPlaces {
  /** Absolute; undefined: there is no configuration file. */
  readonly configPath: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What the workload sees or can write, absolute. */
  readonly reach: readonly string[]
}

/**
 * Where inspectors may lie: beside the configuration, in agentcage's own folder for them, and in the folders of
 * AGENTCAGE_INSPECTOR_DIRS, unless the workload reaches them.
 */
export function inspectorFolders({ configPath, environment, reach }: InspectorPlaces): InspectorFolders {
  const named = (environment['AGENTCAGE_INSPECTOR_DIRS'] ?? '').split(':').filter((folder) => isAbsolute(folder))
  const base = configPath === undefined ? '/' : dirname(configPath)
  const own = join(configHome(environment), 'inspectors')
  const allowed = [...(configPath === undefined ? [] : [base]), own, ...named]
  return { base, allowed, forbidden: reach }
}
