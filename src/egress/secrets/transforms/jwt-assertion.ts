import { sign } from 'node:crypto'
import type { ServiceAccount } from './service-account.ts'

/** What a service account asks for. */
export interface AssertionClaims {
  readonly scopes: readonly string[]
  /** URL of the token endpoint. */
  readonly audience: string
}

/** The most that Google takes. */
const LIFETIME_S = 3600

/** A JWT by which a service account gets an access token (RFC 7523 section 2.1), RS256, for an hour from `now`. */
export function signAssertion(account: ServiceAccount, { scopes, audience }: AssertionClaims, now: Date): string {
  const issuedAt = Math.floor(now.getTime() / 1000)
  const header = { alg: 'RS256', typ: 'JWT', ...(account.keyId === undefined ? {} : { kid: account.keyId }) }
  const claims = {
    iss: account.email,
    scope: scopes.join(' '),
    aud: audience,
    iat: issuedAt,
    exp: issuedAt + LIFETIME_S,
  }
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${sign('sha256', Buffer.from(text), account.key).toString('base64url')}`
}
