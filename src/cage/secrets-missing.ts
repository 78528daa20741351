import { resolveSecrets, type SourceRule } from '../secrets/resolve.ts'
import type { Secret } from '../secrets/secret.ts'
import type { Deployment } from './deployment.ts'
import { deploymentSources } from './deployment-sources.ts'

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
  await resolveSecrets(rules, await deploymentSources({ name, config, environment, record }))
}
