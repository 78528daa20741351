/** What a token endpoint gave (RFC 6749 section 5.1). Holds live credentials: nobody prints it. */
export interface TokenResponse {
  readonly accessToken: string
  /** Seconds; undefined when it does not say. */
  readonly expiresIn: number | undefined
  readonly refreshToken: string | undefined
  readonly idToken: string | undefined
  /** What was granted, where that is said. */
  readonly scope: string | undefined
}

/** Bytes. */
export const MAX_TOKEN_RESPONSE = 262_144

/** A token that can stand in a header: RFC 6749 appendix A.12. */
const TOKEN = /^[\x20-\x7e]{8,65536}$/

/** Longer than a year is no lifetime of a token that is called short-lived; it also keeps times within bounds. */
const MAX_LIFETIME_S = 366 * 86_400

/** Undefined for whatever is not a response with an access token. */
export function parseTokenResponse(body: Buffer): TokenResponse | undefined {
  const fields = body.length > MAX_TOKEN_RESPONSE ? undefined : parseObject(body)
  if (fields === undefined) return undefined
  const { access_token: accessToken, refresh_token: refreshToken, id_token: idToken, scope } = fields
  const expiresIn = secondsOf(fields['expires_in'])
  if (!isToken(accessToken) || expiresIn === 'invalid') return undefined
  if (!isTokenOrAbsent(refreshToken) || !isTokenOrAbsent(idToken)) return undefined
  return {
    accessToken,
    expiresIn,
    refreshToken: refreshToken ?? undefined,
    idToken: idToken ?? undefined,
    scope: isScope(scope) ? scope : undefined,
  }
}

/** Some servers write the number as text. */
function secondsOf(value: unknown): number | undefined | 'invalid' {
  if (value === undefined || value === null) return undefined
  const seconds = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return 'invalid'
  return Math.min(seconds, MAX_LIFETIME_S)
}

function isScope(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{1,4096}$/.test(value)
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value)
}

function isTokenOrAbsent(value: unknown): value is string | undefined | null {
  return value === undefined || value === null || isToken(value)
}

function parseObject(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}
