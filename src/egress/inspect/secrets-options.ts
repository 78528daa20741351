import { CageError } from '../../errors.ts'
import type { Config } from '../../config/schema.ts'
import type { SecretBinding } from '../secrets/binding.ts'
import { decodingOf } from './decode/limits.ts'
import { LEAST_VALUE, type ExtraPattern } from './patterns/extra.ts'
import type { SecretsOptions } from './secrets.ts'

/**
 * What the configuration says about secrets, with the values of its variables. Placeholders may look like credentials:
 * on the way to where they are replaced they are none. Throws CageError `secret_missing` or `secret_invalid`: a pattern
 * that is not there would let through what somebody wanted to keep.
 */
export function secretsOptions(
  { secrets, decoding }: Config,
  placeholders: readonly Pick<SecretBinding, 'placeholder' | 'injectTo'>[],
  env: NodeJS.ProcessEnv,
): SecretsOptions {
  return {
    action: secrets.action,
    undecodable: secrets.undecodable,
    decoding: decodingOf({ decoding }),
    builtinAllow: secrets.builtin_allow_to_domains,
    allow: new Map(Object.entries(secrets.allow_to_domains)),
    extra: secrets.extra_patterns.map((entry) => extraPattern(entry, env)),
    exempt: placeholders.map(({ placeholder, injectTo }) => ({
      text: placeholder,
      hosts: injectTo.map(({ host }) => host),
    })),
  }
}

/** `env` wins over `pattern`, as it always did. */
function extraPattern(
  { name, env: variable, pattern }: Config['secrets']['extra_patterns'][number],
  env: NodeJS.ProcessEnv,
): ExtraPattern {
  if (variable === undefined) return { name, pattern: pattern ?? '' }
  const value = env[variable]
  if (value === undefined || value === '')
    throw new CageError('secret_missing', `secrets.extra_patterns: ${name} names ${variable}, which is not set`, {
      hint: `Set ${variable} where the egress starts, or take the entry out.`,
    })
  if (Buffer.byteLength(value) < LEAST_VALUE)
    throw new CageError(
      'secret_invalid',
      `secrets.extra_patterns: the value of ${variable} is shorter than ${LEAST_VALUE} bytes`,
      {
        hint: 'So short a text occurs by chance.',
      },
    )
  return { name, value }
}
