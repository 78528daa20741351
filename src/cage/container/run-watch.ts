import { parseConfig } from '../../config/load.ts'
import { watchConfig } from '../../config/watch.ts'
import { saveConfig, type Deployment } from '../deployment.ts'
import { isConfigInProject } from '../settings.ts'
import { readOwnText, runConfigText, type OwnText } from './run-config.ts'
import type { ContainerRunRequest } from './run.ts'

export interface Followed {
  readonly request: ContainerRunRequest
  readonly deployment: Deployment
  /** As it was read for the start. */
  readonly own: OwnText
}

/**
 * Gives the egress the configuration of its owner again whenever it is edited, unless the workload may have edited it; one
 * that cannot be used changes nothing. Yields what ends that.
 */
export async function followConfig({ request, deployment, own }: Followed): Promise<() => void> {
  const { configPath, log, additions } = request
  if (configPath === undefined) return () => {}
  const ending = new AbortController()
  const inProject = await isConfigInProject(request, request.project)
  const onChange = async (): Promise<void> => {
    if (inProject) return log(`warning: ${configPath} has changed. ${WITHIN_REACH}`)
    try {
      const text = runConfigText({ ...(await readOwnText(request)), name: deployment.name, additions })
      parseConfig(text, configPath)
      await saveConfig(deployment, text)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      log(`configuration not reloaded, the last good one stays in force: ${problem}`)
    }
  }
  await watchConfig(own.path ?? configPath, { signal: ending.signal, onChange })
  return () => ending.abort()
}

const WITHIN_REACH =
  'It lies in the project, within reach of the workload: look at it; what it says counts from the next run on'
