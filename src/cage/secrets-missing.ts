import { Reach } from '../secrets/reach.ts'
import { resolveSecrets, type SourceRule } from '../secrets/resolve.ts'
import type { Secret } from '../secrets/secret.ts'
import { openSecretStore } from '../secrets/store.ts'
import { secretsFolder } from '../system/paths.ts'
import type { Deployment } from './deployment.ts'
import { foldersInReach } from './settings.ts'

/**
 * Throws `secret_missing` unless every rule of a service's configuration has a value: given now, or where the service
 * will look. The environment of who asks does not count: the service has another.
 */
export async function requireSecrets(
  { name, config, environment, record }: Pick<Deployment, 'name' | 'config' | 'environment' | 'record'>,
  given: readonly Secret[] = [],
): Promise<void> {
  const needed: readonly SourceRule[] = [
    ...config.secret_injection,
    ...config.container.podman_secrets.map((env) => ({ env })),
  ]
  const rules = needed.filter(({ env }) => !given.some((secret) => secret.name === env))
  if (rules.length === 0) return
  const kept = { HOME: environment['HOME'], ...record.environment }
  await resolveSecrets(rules, {
    cage: name,
    store: await openSecretStore(secretsFolder(name, environment)),
    environment: kept,
    configPath: record.source,
    reach: await Reach.of(
      foldersInReach(config, {
        project: record.project,
        workingDirectory: record.working_directory,
        environment: kept,
      }),
    ),
  })
}
