import { randomBytes } from 'node:crypto'

/** Of an RSA signature of 2048 bits; more would not fit in a placeholder. */
const MAX_SIGNATURE = 342

/** JSON Web Token in compact form (RFC 7515 section 3.1) with a header that is JSON. */
const TOKEN = /^(eyJ[A-Za-z0-9_-]{6,})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{16,})$/

/** Claims about times: clients look at them to see whether a token is still good. */
const TIMES = ['iat', 'nbf', 'exp'] as const

export function isToken(value: string): boolean {
  return jsonIn(TOKEN.exec(value)?.[1] ?? '') !== undefined
}

/** A token of the same kind and with the same times, about nobody, with a random signature. */
export function decoyToken(value: string): string {
  const [, header = '', payload = '', signature = ''] = TOKEN.exec(value) ?? []
  return [
    encode(namesIn(jsonIn(header) ?? {})),
    encode({ jti: randomBytes(16).toString('hex'), ...timesIn(jsonIn(payload) ?? {}) }),
    randomBytes(MAX_SIGNATURE).toString('base64url').slice(0, Math.min(signature.length, MAX_SIGNATURE)),
  ].join('.')
}

/** Of the header: not `kid`, and nothing that would make it longer than a placeholder may be. */
function namesIn(header: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = ['alg', 'typ'].map((name) => [name, header[name]] as const)
  return Object.fromEntries(
    entries.filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && /^[\w+-]{1,16}$/.test(entry[1]),
    ),
  )
}

function timesIn(payload: Readonly<Record<string, unknown>>): Readonly<Record<string, number>> {
  const entries = TIMES.map((name) => [name, payload[name]] as const)
  return Object.fromEntries(entries.filter((entry): entry is ['iat' | 'nbf' | 'exp', number] => isTime(entry[1])))
}

function isTime(claim: unknown): boolean {
  return typeof claim === 'number' && Number.isSafeInteger(claim) && claim >= 0
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function jsonIn(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}
