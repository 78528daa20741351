import type { Placeholder } from '../../../secrets/placeholders.ts'
import type { Secret } from '../../../secrets/secret.ts'
import type { GuardedPlaceholder } from '../guards.ts'
import type { TokenEndpoint } from '../../../config/schema-transforms.ts'
import type { ProtectedValue, SecretBinding } from '../binding.ts'
import type { Ask, MintedToken } from './minter.ts'

/** A token for the workload that calls its token endpoint itself. */
export interface Exchangeable {
  readonly endpoint: TokenEndpoint
  /** A token that is new or nearly so, with what was granted. */
  exchange(ask: Ask): Promise<{ readonly token: MintedToken; readonly scope: string | undefined }>
}

/** A rule whose placeholder stands for a short-lived token that is made of the secret. */
export interface TokenSource {
  readonly name: string
  /** Whether a rule and its value are those that this source was made for: then its tokens go on counting. */
  isFor(binding: SecretBinding): boolean
  /** Values by the names under which their placeholders are known. Rejects with TransformRefused. */
  tokens(ask: Ask): Promise<ReadonlyMap<string, Secret>>
  /** What stands for what, for the rule as it is now. */
  placeholders(binding: SecretBinding): readonly GuardedPlaceholder[]
  /** What must not be seen: the secret itself nowhere, its tokens only where they belong. */
  values(binding: SecretBinding): readonly ProtectedValue[]
  readonly exchangeable: Exchangeable | undefined
}

/** What a source is told and tells. */
export interface SourceOptions {
  readonly clock: () => Date
  /** Called when there is another value to be guarded. */
  readonly onChange: () => void
}

/** A token that does not say how long it lives is used for so long. */
export const UNKNOWN_LIFETIME_S = 600

/** Tokens as guarded values: they may go where they would be put in. */
export function guardedTokens(
  { name, injectTo }: Pick<SecretBinding, 'name' | 'injectTo'>,
  tokens: readonly MintedToken[],
  placeholders: { readonly value: Placeholder; readonly companion: Placeholder },
): readonly ProtectedValue[] {
  return tokens.flatMap(({ value, companion, expiresAt }) => [
    { name, value, injectTo, placeholder: placeholders.value, expiresAt },
    // Nobody says how long it counts.
    ...(companion === undefined ? [] : [{ name, value: companion, injectTo, placeholder: placeholders.companion }]),
  ])
}
