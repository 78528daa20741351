import type { Secret } from '../../../secrets/secret.ts'
import { TransformRefused } from './refusal.ts'
import type { TokenRequest } from './token-request.ts'
import type { TokenResponse } from './token-response.ts'

/** A short-lived token; times in milliseconds since 1970. */
export interface MintedToken {
  readonly value: Secret
  /** One that came along (an id token). */
  readonly companion?: Secret | undefined
  readonly expiresAt: number
}

/** Sends a request to a token endpoint. Rejects with TransformRefused. */
export type Ask = (request: TokenRequest) => Promise<TokenResponse>

export interface MinterOptions {
  /** Name of the secret, for reasons. */
  readonly name: string
  /** Asks for a token. Rejects with TransformRefused. */
  readonly mint: (ask: Ask) => Promise<MintedToken>
  readonly marginMs: number
  readonly ratePerHour: number
  readonly clock: () => Date
  /** Called when another token is in force, before anybody gets it. What it throws undoes that. */
  readonly onToken: () => void
}

const HOUR_MS = 3_600_000

/** After a failure nothing is asked for a while: a workload that tries again and again would use up the hour's share. */
const PAUSE_MS = 5000

/** A token so young is good enough for whoever asks for a new one. */
const YOUNG_MS = 60_000

/**
 * Keeps one token in force and asks for another in time, once for all who wait, and no more often than it may. Tokens
 * that were replaced stay known until they end: they still open what they opened.
 */
export class Minter {
  readonly #options: MinterOptions
  #current: (MintedToken & { readonly mintedAt: number }) | undefined
  #replaced: readonly MintedToken[] = []
  #asked: readonly number[] = []
  #failure: { readonly at: number; readonly error: unknown } | undefined
  #pending: Promise<MintedToken> | undefined

  constructor(options: MinterOptions) {
    this.#options = options
  }

  /** The token in force, if nothing has to be asked for. */
  get fresh(): MintedToken | undefined {
    const current = this.#current
    return current !== undefined && this.#now() < current.expiresAt - this.#margin(current) ? current : undefined
  }

  /** All tokens that count for somebody, the one in force first. */
  get known(): readonly MintedToken[] {
    const now = this.#now()
    return [...(this.#current === undefined ? [] : [this.#current]), ...this.#replaced].filter(
      ({ expiresAt }) => expiresAt > now,
    )
  }

  /** The token in force; asks for one when it ends soon. Rejects with TransformRefused when there is none to be had. */
  async token(ask: Ask): Promise<MintedToken> {
    return this.fresh ?? this.#renew(ask)
  }

  /** Another token than the one in force, unless that is young. Rejects as `token` does. */
  async another(ask: Ask): Promise<MintedToken> {
    const current = this.#current
    const isYoung = current !== undefined && this.#now() - current.mintedAt < YOUNG_MS
    return isYoung ? this.token(ask) : this.#renew(ask)
  }

  #renew(ask: Ask): Promise<MintedToken> {
    this.#pending ??= this.#ask(ask).finally(() => (this.#pending = undefined))
    return this.#pending
  }

  /** While the token in force still counts, a failure to replace it is nobody's. */
  async #ask(ask: Ask): Promise<MintedToken> {
    try {
      this.#admit()
      return await this.#mint(ask)
    } catch (error) {
      const current = this.#current
      if (current !== undefined && current.expiresAt > this.#now()) return current
      throw error
    }
  }

  async #mint(ask: Ask): Promise<MintedToken> {
    const [current, replaced] = [this.#current, this.#replaced]
    try {
      const token = await this.#options.mint(ask)
      this.#replaced = this.known
      this.#current = { ...token, mintedAt: this.#now() }
      this.#options.onToken()
      this.#failure = undefined
      return token
    } catch (error) {
      this.#current = current
      this.#replaced = replaced
      this.#failure = { at: this.#now(), error }
      throw error
    }
  }

  /** Failures count as well: it is the asking that is bounded. */
  #admit(): void {
    const now = this.#now()
    const { name, ratePerHour } = this.#options
    if (this.#failure !== undefined && now - this.#failure.at < PAUSE_MS) throw this.#failure.error
    this.#asked = this.#asked.filter((at) => now - at < HOUR_MS)
    if (this.#asked.length >= ratePerHour)
      throw new TransformRefused('source', `tokens of ${name} were asked for ${ratePerHour} times within an hour`)
    this.#asked = [...this.#asked, now]
  }

  /** Of a token that lives shorter than twice the margin, half of its life: it would never be fresh. */
  #margin({ expiresAt, mintedAt }: { readonly expiresAt: number; readonly mintedAt: number }): number {
    return Math.min(this.#options.marginMs, (expiresAt - mintedAt) / 2)
  }

  #now(): number {
    return this.#options.clock().getTime()
  }
}
