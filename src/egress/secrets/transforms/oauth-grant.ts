import type { OauthConfig } from '../../../config/schema-transforms.ts'
import { CageError } from '../../../errors.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { fieldsOf } from './secret-fields.ts'

/** What gets access tokens. Holds live credentials: nobody prints it. */
export interface OauthGrant {
  readonly refreshToken: string
  readonly clientId: string | undefined
  readonly clientSecret: string | undefined
  /** The secret as it is to be kept with another refresh token. */
  renewed(refreshToken: string): string
}

const TEXT = /^[\x20-\x7e]{1,65536}$/

/**
 * Reads a refresh token: alone, or in a JSON object with `refresh_token`, `client_id` and `client_secret`, as gcloud
 * keeps it. Throws CageError `secret_invalid`, which never holds the value.
 */
export function parseOauthGrant(secret: Secret, { client_id: named }: Pick<OauthConfig, 'client_id'>): OauthGrant {
  const text = secret.reveal()
  if (!text.startsWith('{')) {
    if (!isToken(text)) throw invalid(secret, 'is no refresh token')
    return { refreshToken: text, clientId: named, clientSecret: undefined, renewed: (refreshToken) => refreshToken }
  }
  const fields = fieldsOf(secret, invalid)
  const { refresh_token: refreshToken, client_id: clientId, client_secret: clientSecret } = fields
  if (!isToken(refreshToken)) throw invalid(secret, 'has no refresh_token')
  if (!isTextOrAbsent(clientId)) throw invalid(secret, 'has a client_id that is none')
  if (!isTextOrAbsent(clientSecret)) throw invalid(secret, 'has a client_secret that is none')
  return {
    refreshToken,
    clientId: named ?? clientId,
    clientSecret,
    renewed: (next) => JSON.stringify({ ...fields, refresh_token: next }),
  }
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && value.length >= 8 && TEXT.test(value)
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && TEXT.test(value))
}

function invalid(secret: Secret, problem: string): CageError {
  return new CageError('secret_invalid', `the value of secret ${secret.name} ${problem}`, {
    hint: 'oauth2-refresh takes a refresh token, or JSON with refresh_token, client_id and client_secret.',
  })
}
