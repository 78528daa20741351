import type { Config } from '../config/schema.ts'
import { bindSecrets, type SecretBinding } from '../egress/secrets/binding.ts'
import { resolvePlaceholders, type Placeholder } from '../secrets/placeholders.ts'
import { Reach } from '../secrets/reach.ts'
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
  /** Values given for this run; they win over every source. */
  readonly given?: readonly Secret[]
  /** The configuration's file, absolute: what relative paths of sources start from. Absent: there are no such paths. */
  readonly configPath?: string | undefined
  /** Folders that the workload sees; no value and no program of a source may lie there. */
  readonly reach?: readonly string[]
  /** Ends commands of sources under way. */
  readonly signal?: AbortSignal
}

/** How a configuration's rules get their values, each time it is read: given ones, their sources, the built-in store, the environment. */
export function secretBindings(sources: SecretSources): (config: Config) => Promise<readonly SecretBinding[]> {
  const { cage, environment, given = [], configPath, signal } = sources
  return async ({ secret_injection: rules }) => {
    if (rules.length === 0) return []
    const open = rules.filter(({ env }) => !given.some(({ name }) => name === env))
    const resolved = await resolveSecrets(open, {
      cage,
      store: await openSecretStore(secretsFolder(cage, environment)),
      environment,
      configPath,
      reach: await Reach.of(sources.reach ?? []),
      signal,
    })
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
