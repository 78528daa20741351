import { createHash } from 'node:crypto'
import type { OauthConfig, TokenEndpoint } from '../../../config/schema-transforms.ts'
import type { SecretTarget } from '../../../config/schema.ts'
import type { Placeholder } from '../../../secrets/placeholders.ts'
import { Secret } from '../../../secrets/secret.ts'
import type { ProtectedValue, SecretBinding } from '../binding.ts'
import type { GuardedPlaceholder } from '../guards.ts'
import { Minter, type Ask, type MintedToken } from './minter.ts'
import { parseOauthGrant, type OauthGrant } from './oauth-grant.ts'
import { TransformRefused } from './refusal.ts'
import type { TokenRequest } from './token-request.ts'
import {
  guardedTokens,
  UNKNOWN_LIFETIME_S,
  type Exchangeable,
  type SourceOptions,
  type TokenSource,
} from './token-source.ts'

/**
 * `oauth2-refresh`: access tokens for a refresh token (RFC 6749 section 6). Where the endpoint gives another refresh
 * token, that one counts from then on and is kept. Throws CageError `secret_invalid` for a secret that is none.
 */
export class OauthSource implements TokenSource {
  readonly name: string
  readonly exchangeable: Exchangeable
  readonly #config: OauthConfig
  readonly #options: SourceOptions
  readonly #minter: Minter
  /** The secret as the rule gave it. */
  readonly #given: string
  /** Of the rule as it is now. */
  #keep: ((value: string) => Promise<void>) | undefined
  #grant: OauthGrant
  /** As it stands where it was kept, or would. */
  #kept: string
  /** Not kept yet. */
  #unkept = false
  #formerRefreshTokens: readonly { readonly text: string; readonly expiresAt: number }[] = []
  #scope: string | undefined

  constructor(binding: SecretBinding, config: OauthConfig, options: SourceOptions) {
    this.name = binding.name
    this.#config = config
    this.#options = options
    this.#given = this.#kept = binding.value.reveal()
    this.#grant = parseOauthGrant(binding.value, config)
    this.#minter = new Minter({
      name: this.name,
      mint: (ask) => this.#mint(ask),
      marginMs: config.refresh_margin * 1000,
      ratePerHour: config.mint_rate_per_hour,
      clock: options.clock,
      onToken: options.onChange,
    })
    this.#keep = binding.transform?.keep
    this.exchangeable = {
      endpoint: config.token_url,
      exchange: async (ask) => ({ token: await this.#minter.another(ask), scope: this.#scope }),
    }
  }

  isFor({ value, transform }: SecretBinding): boolean {
    if (JSON.stringify(transform?.rule.transform_config) !== JSON.stringify(this.#config)) return false
    const text = value.reveal()
    if (text !== this.#given && text !== this.#kept) return false
    this.#keep = transform?.keep
    return true
  }

  async tokens(ask: Ask): Promise<ReadonlyMap<string, Secret>> {
    const { value, companion } = await this.#minter.token(ask)
    return new Map([
      [this.name, value],
      ...(companion === undefined ? [] : [[idTokenName(this.name), companion] as const]),
    ])
  }

  placeholders(binding: SecretBinding): readonly GuardedPlaceholder[] {
    const { placeholder, injectTo, injectHeaders, injectBody } = binding
    const injection = { injectTo, injectHeaders, injectBody }
    return [
      { name: this.name, placeholder, injectTo: [...injectTo, targetOf(this.#config.token_url)], injection },
      { name: idTokenName(this.name), placeholder: idTokenPlaceholder(binding), injectTo, injection },
    ]
  }

  values(binding: SecretBinding): readonly ProtectedValue[] {
    const { refreshToken, clientSecret } = this.#grant
    const own = [
      { text: refreshToken, expiresAt: undefined },
      ...this.#formerRefreshTokens,
      ...(clientSecret === undefined ? [] : [{ text: clientSecret, expiresAt: undefined }]),
    ]
    const { name } = this
    const { placeholder } = binding
    return [
      ...own.map(({ text, expiresAt }) => ({
        name,
        value: new Secret(name, text),
        placeholder,
        injectTo: [],
        expiresAt,
      })),
      ...guardedTokens(binding, this.#minter.known, { value: placeholder, companion: idTokenPlaceholder(binding) }),
    ]
  }

  async #mint(ask: Ask): Promise<MintedToken> {
    const askedAt = this.#options.clock().getTime()
    const { accessToken, expiresIn = UNKNOWN_LIFETIME_S, refreshToken, idToken, scope } = await ask(this.#request())
    if (refreshToken !== undefined) this.#renew(refreshToken)
    await this.#keepRenewed()
    this.#scope = scope
    return {
      value: new Secret(this.name, accessToken),
      companion: idToken === undefined ? undefined : new Secret(this.name, idToken),
      expiresAt: askedAt + expiresIn * 1000,
    }
  }

  #request(): TokenRequest {
    const { clientId, clientSecret, refreshToken } = this.#grant
    const { token_url: endpoint, scopes, client_auth: auth } = this.#config
    const isBasic = auth === 'basic' && clientId !== undefined
    return {
      name: this.name,
      endpoint,
      form: {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
        ...(isBasic || clientId === undefined ? {} : { client_id: clientId }),
        ...(isBasic || clientSecret === undefined ? {} : { client_secret: clientSecret }),
      },
      ...(isBasic ? { authorization: basic(clientId, clientSecret ?? '') } : {}),
    }
  }

  /** The one before may be dead, or may count for a while: it stays a secret. */
  #renew(refreshToken: string): void {
    const before = this.#grant
    if (refreshToken === before.refreshToken) return
    const former = { text: before.refreshToken, expiresAt: this.#options.clock().getTime() + FORMER_MS }
    this.#formerRefreshTokens = [former, ...this.#formerRefreshTokens].slice(0, MAX_FORMER)
    this.#grant = { ...before, refreshToken }
    try {
      this.#options.onChange()
    } catch (error) {
      this.#grant = before // What cannot be guarded is not used.
      throw error
    }
    this.#kept = before.renewed(refreshToken)
    this.#unkept = true
  }

  /** A refresh token that is lost costs a login: no token is given out before the one that gets the next is kept. */
  async #keepRenewed(): Promise<void> {
    if (!this.#unkept) return
    try {
      await this.#keep?.(this.#kept)
      this.#unkept = false
    } catch (cause) {
      throw new TransformRefused('source', `the new refresh token of ${this.name} cannot be kept`, { cause })
    }
  }
}

/** Of endpoints that give another one each time. */
const MAX_FORMER = 64

/** How long a refresh token that was replaced may go on counting: endpoints give a grace of minutes, not of days. */
const FORMER_MS = 86_400_000

/** The name under which the id token is known. */
function idTokenName(name: string): string {
  return `${name}.id_token`
}

/** Of the same shape as the one for the access token, and the same after a restart. */
function idTokenPlaceholder({ name, placeholder }: Pick<SecretBinding, 'name' | 'placeholder'>): Placeholder {
  const digits = createHash('sha256').update(`id_token ${placeholder}`).digest('hex').slice(0, 32)
  return `agentcage:secret:${idTokenName(name)}:${digits}` as Placeholder
}

/** Where the workload may send the placeholder in place of a refresh token. */
function targetOf({ authority, path }: TokenEndpoint): SecretTarget {
  return { host: authority.host, ports: [authority.port], methods: ['POST'], paths: [path.split('?', 1)[0] as string] }
}

/** RFC 6749 section 2.3.1: both parts are form-encoded first. */
function basic(id: string, secret: string): string {
  const encode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}
