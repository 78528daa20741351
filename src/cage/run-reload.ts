import type { ConfigFile } from '../config/load.ts'
import { watchConfig } from '../config/watch.ts'
import type { Egress } from '../egress/egress.ts'
import { emptyConfig, withAdditions } from './run-config.ts'
import type { RunRequest } from './run-request.ts'
import { isConfigInProject } from './settings.ts'

/** The configuration file with what the command line adds; its digest is '' where there is none. */
export async function configFileOf({ configPath, preset, additions }: RunRequest): Promise<ConfigFile> {
  if (configPath === undefined) return { sha256: '', parse: () => withAdditions(preset ?? emptyConfig(), additions) }
  // Reading YAML and the schema are a good part of a start; without a file there is nothing to read.
  const { readConfigFile } = await import('../config/load.ts')
  const file = await readConfigFile(configPath)
  return { sha256: file.sha256, parse: () => withAdditions(file.parse(), additions) }
}

/**
 * The configuration file stays in force as it is edited; one that cannot be used changes nothing, and neither does one
 * that the workload may have edited. It is watched before it is read, so that a change in between is not missed.
 */
export async function watchRunConfig(
  request: RunRequest,
  reload: () => Promise<void>,
  cleanup: AsyncDisposableStack,
): Promise<void> {
  if (request.configPath === undefined) return
  const ending = new AbortController()
  cleanup.defer(() => ending.abort())
  const inProject = await isConfigInProject(request, request.project)
  const onChange = async (): Promise<void> => {
    if (inProject) request.log(`warning: ${request.configPath} has changed. ${WITHIN_REACH}`)
    else await reload()
  }
  await watchConfig(request.configPath, { signal: ending.signal, onChange })
}

export async function reloadEgress(request: RunRequest, serving: Promise<Egress>): Promise<void> {
  const egress = await serving
  let sha256 = ''
  let problem: string | undefined
  try {
    const file = await configFileOf(request)
    sha256 = file.sha256
    await egress.reload(file.parse())
    request.log(
      'configuration reloaded: what it says of the network is in force; mounts, environment and captured ports are those of the start',
    )
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
    request.log(`configuration not reloaded, the last good one stays in force: ${problem}`)
  }
  await request.service?.tell(sha256, problem)
}

const WITHIN_REACH =
  'It lies in the project, within reach of the workload: look at it; what it says counts from the next run on'
