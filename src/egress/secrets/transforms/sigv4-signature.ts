import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Where and when a signature of AWS Signature Version 4 counts. */
export interface CredentialScope {
  /** YYYYMMDD */
  readonly date: string
  readonly region: string
  readonly service: string
}

export interface SigningTime {
  /** YYYYMMDDTHHMMSSZ, as in `X-Amz-Date`. */
  readonly time: string
  readonly scope: CredentialScope
}

export const ALGORITHM = 'AWS4-HMAC-SHA256'

/** SHA-256 of nothing, in hex. */
export const EMPTY_SHA256 = sha256('')

/** The key for one day, region and service ("Calculate the signature", AWS General Reference). */
export function signingKey(secretAccessKey: string, { date, region, service }: CredentialScope): Buffer {
  return [date, region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => hmac(key, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  )
}

/** The signature of a canonical request, in hex. */
export function signRequest(key: Buffer, canonical: string, { time, scope }: SigningTime): string {
  return sign(key, [ALGORITHM, time, scopeText(scope), sha256(canonical)])
}

/** The signature of a text of several lines, in hex. */
export function sign(key: Buffer, lines: readonly string[]): string {
  return hmac(key, lines.join('\n')).toString('hex')
}

export function scopeText({ date, region, service }: CredentialScope): string {
  return `${date}/${region}/${service}/aws4_request`
}

/** In hex. A text's bytes as Latin-1. */
export function sha256(data: string | Buffer): string {
  return createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex')
}

/** Takes as long whatever the difference. */
export function equalSignatures(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1')]
  return a.length === b.length && timingSafeEqual(a, b)
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}
