import type { SecretSource } from '../config/schema-secret-source.ts'
import { CageError } from '../errors.ts'
import { checkSecretName, parseSecret } from './secret-value.ts'
import type { Secret } from './secret.ts'
import { readSource, type SourceContext } from './source.ts'

/** A rule of `secret_injection`, as far as it says which value is meant. */
export interface SourceRule {
  readonly env: string
  readonly source?: SecretSource | undefined
}

/**
 * The values that the rules need, in their order, each once. Throws CageError `secret_missing` naming all without a
 * source that have none, `secret_invalid` for a value that cannot be used, and what `readSource` throws.
 */
export async function resolveSecrets(
  rules: readonly SourceRule[],
  { cage, ...context }: SourceContext & { readonly cage: string },
): Promise<readonly Secret[]> {
  const byName = new Map(rules.map((rule) => [rule.env, rule]))
  const found: Secret[] = []
  const missing: string[] = []
  for (const [name, rule] of byName) {
    const secret = await resolveSecret(rule, context)
    if (secret === undefined) missing.push(name)
    else found.push(secret)
  }
  if (missing.length > 0) throw missingSecrets(cage, missing)
  return found
}

/**
 * The value of one rule: from its source, or without one from the store, else from the environment, where an empty
 * variable counts as absent. Undefined when neither has it.
 */
export async function resolveSecret(
  { env: name, source }: SourceRule,
  context: SourceContext,
): Promise<Secret | undefined> {
  checkSecretName(name)
  if (source !== undefined) return readSource(name, source, context)
  const stored = await context.store?.get(name)
  if (stored !== undefined) return stored
  const variable = Object.hasOwn(context.environment, name) ? context.environment[name] : undefined
  return variable === undefined || variable === '' ? undefined : parseSecret(name, variable)
}

export function missingSecrets(cage: string, names: readonly string[]): CageError {
  const lines = names.map((name) => `  ${name}`)
  const commands = names.map((name) => `  agentcage secret set ${cage} ${name}`)
  return new CageError('secret_missing', [`missing secrets for cage '${cage}':`, ...lines].join('\n'), {
    hint: ['Create them with:', ...commands, 'or set them in the environment of agentcage.'].join('\n'),
  })
}
