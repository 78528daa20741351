import { CageError } from '../errors.ts'
import { checkSecretName, parseSecret } from './secret-value.ts'
import type { Secret } from './secret.ts'
import type { SecretStore } from './store.ts'

/** Where values come from: the store first, then the environment. An empty variable counts as absent. */
export interface SecretSources {
  /** The cage's name, for the message when something is missing. */
  readonly cage: string
  readonly store: Pick<SecretStore, 'get'> | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * The values that the rules need, in their order, each once.
 * Throws CageError `secret_missing` naming all that have none, `secret_invalid` for a value that cannot be used.
 */
export async function resolveSecrets(
  rules: readonly { readonly env: string }[],
  sources: SecretSources,
): Promise<readonly Secret[]> {
  const names = [...new Set(rules.map(({ env }) => env))]
  const found: Secret[] = []
  const missing: string[] = []
  for (const name of names) {
    const secret = await find(name, sources)
    if (secret === undefined) missing.push(name)
    else found.push(secret)
  }
  if (missing.length > 0) throw missingSecrets(sources.cage, missing)
  return found
}

async function find(name: string, { store, environment }: SecretSources): Promise<Secret | undefined> {
  checkSecretName(name)
  const stored = await store?.get(name)
  if (stored !== undefined) return stored
  const variable = Object.hasOwn(environment, name) ? environment[name] : undefined
  return variable === undefined || variable === '' ? undefined : parseSecret(name, variable)
}

function missingSecrets(cage: string, names: readonly string[]): CageError {
  const lines = names.map((name) => `  ${name}`)
  return new CageError('secret_missing', [`missing secrets for cage '${cage}':`, ...lines].join('\n'), {
    hint: `Set them in the environment of agentcage, or give them with -s NAME=VALUE to \`agentcage run\`.`,
  })
}
