import { Reach } from '../secrets/reach.ts'
import type { SourceContext } from '../secrets/source.ts'
import { openSecretStore } from '../secrets/store.ts'
import { secretsFolder } from '../system/paths.ts'
import type { Deployment } from './deployment.ts'
import { foldersInReach } from './settings.ts'

/**
 * Where the values of a cage that stays come from. The environment of who asks does not count: the service has another.
 * Relative paths start where the configuration came from.
 */
export async function deploymentSources({
  name,
  config,
  environment,
  record,
}: Pick<Deployment, 'name' | 'config' | 'environment' | 'record'>): Promise<SourceContext & { readonly cage: string }> {
  const kept = { HOME: environment['HOME'], ...record.environment }
  const folders = foldersInReach(config, {
    // A container sees its volumes only.
    project: record.isolation === 'container' ? undefined : record.project,
    workingDirectory: record.working_directory,
    environment: kept,
  })
  return {
    cage: name,
    store: await openSecretStore(secretsFolder(name, environment)),
    environment: kept,
    configPath: record.source,
    reach: await Reach.of(folders),
  }
}
