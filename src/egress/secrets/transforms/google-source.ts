import type { GoogleConfig } from '../../../config/schema-transforms.ts'
import { Secret } from '../../../secrets/secret.ts'
import type { SecretBinding } from '../binding.ts'
import { signAssertion } from './jwt-assertion.ts'
import { Minter, type Ask, type MintedToken } from './minter.ts'
import { parseServiceAccount, type ServiceAccount } from './service-account.ts'
import { guardedTokens, UNKNOWN_LIFETIME_S, type SourceOptions, type TokenSource } from './token-source.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/**
 * `google-jwt-bearer`: access tokens of a service account (RFC 7523). Throws CageError `secret_invalid` for a secret
 * that is none.
 */
export function googleSource(binding: SecretBinding, config: GoogleConfig, options: SourceOptions): TokenSource {
  const { name } = binding
  const account = parseServiceAccount(binding.value)
  const value = binding.value.reveal()
  const minter = new Minter({
    name,
    mint: (ask) => mint(ask, { name, account, config, clock: options.clock }),
    marginMs: config.refresh_margin * 1000,
    ratePerHour: config.mint_rate_per_hour,
    clock: options.clock,
    onToken: options.onChange,
  })
  return {
    name,
    isFor: ({ value: other, transform }) =>
      other.reveal() === value && JSON.stringify(transform?.rule.transform_config) === JSON.stringify(config),
    tokens: async (ask) => new Map([[name, (await minter.token(ask)).value]]),
    placeholders: ({ placeholder, injectTo, injectHeaders, injectBody }) => [
      { name, placeholder, injectTo, injection: { injectTo, injectHeaders, injectBody } },
    ],
    values: (rule) => [
      ...account.texts.map((text) => ({
        name,
        value: new Secret(name, text),
        placeholder: rule.placeholder,
        injectTo: [],
      })),
      ...guardedTokens(rule, minter.known, { value: rule.placeholder, companion: rule.placeholder }),
    ],
    exchangeable: undefined,
  }
}

interface MintTask {
  readonly name: string
  readonly account: ServiceAccount
  readonly config: GoogleConfig
  readonly clock: () => Date
}

async function mint(ask: Ask, { name, account, config, clock }: MintTask): Promise<MintedToken> {
  const { audience, scopes } = config
  const askedAt = clock()
  const assertion = signAssertion(account, { scopes, audience: audience.url }, askedAt)
  const response = await ask({ name, endpoint: audience, form: { grant_type: GRANT, assertion } })
  const { accessToken, expiresIn = UNKNOWN_LIFETIME_S } = response
  return { value: new Secret(name, accessToken), expiresAt: askedAt.getTime() + expiresIn * 1000 }
}
