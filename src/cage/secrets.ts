import type { Config } from '../config/schema.ts'
import { bindSecrets, type SecretBinding } from '../egress/secrets/binding.ts'
import { resolvePlaceholders, type Placeholder } from '../secrets/placeholders.ts'
import { resolveSecrets } from '../secrets/resolve.ts'
import type { Secret } from '../secrets/secret.ts'
import { openSecretStore } from '../secrets/store.ts'
import { secretsFolder } from '../system/paths.ts'

export interface SecretSources {
  /** Name of the cage. */
  readonly cage: string
  /** Where generated placeholders are kept. */
  readonly stateFolder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Values given for this run; they win over the store and the environment. */
  readonly given?: readonly Secret[]
}

/** How a configuration's rules get their values, each time it is read: given ones, the built-in store, the environment. */
export function secretBindings(sources: SecretSources): (config: Config) => Promise<readonly SecretBinding[]> {
  const { cage, environment, given = [] } = sources
  return async ({ secret_injection: rules }) => {
    if (rules.length === 0) return []
    const store = await openSecretStore(secretsFolder(cage, environment))
    const open = rules.filter(({ env }) => !given.some(({ name }) => name === env))
    const resolved = await resolveSecrets(open, { cage, store, environment })
    return bindSecrets(
      rules,
      [...given, ...resolved],
      await placeholdersOf({ secret_injection: rules }, sources.stateFolder),
    )
  }
}

/** What the workload holds instead: the placeholder of each rule by its environment variable. */
export async function placeholdersOf(
  { secret_injection: rules }: Pick<Config, 'secret_injection'>,
  stateFolder: string,
): Promise<ReadonlyMap<string, Placeholder>> {
  return resolvePlaceholders(rules, stateFolder)
}
