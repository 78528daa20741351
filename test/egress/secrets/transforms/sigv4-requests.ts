import type { AwsRequest } from '../../../../src/egress/secrets/transforms/sigv4-verify.ts'
import { authority, onTheWire } from '../example.ts'
import type { SignedArrival } from './sigv4-oracle.ts'
import { VECTOR_KEYS, VECTOR_TIME, type SigningVector } from './sigv4-vectors.ts'
import { createHash } from 'node:crypto'

const SCOPE = '20150830/us-east-1/service/aws4_request'

/** The vector's request with its signature in `Authorization`. */
export function inHeader(vector: SigningVector): AwsRequest {
  const { body = '', token } = vector
  const headers = [
    ...vector.headers,
    ...(body === '' ? [] : ['x-amz-content-sha256', createHash('sha256').update(body).digest('hex')]),
    ...(token === undefined ? [] : ['X-Amz-Security-Token', token]),
    'X-Amz-Date',
    VECTOR_TIME,
  ]
  const credential = `Credential=${VECTOR_KEYS.accessKeyId}/${SCOPE}`
  const value = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${namesOf(headers)}, Signature=${vector.header}`
  return request(vector, vector.target, [...headers, 'Authorization', value])
}

/** The vector's request with its signature in the URL. */
export function inQuery(vector: SigningVector): AwsRequest {
  const parameters = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${VECTOR_KEYS.accessKeyId}/${SCOPE}`)}`,
    `X-Amz-Date=${VECTOR_TIME}`,
    `X-Amz-SignedHeaders=${encodeURIComponent(namesOf(vector.headers))}`,
    'X-Amz-Expires=3600',
    ...(vector.token === undefined ? [] : [`X-Amz-Security-Token=${vector.token}`]),
    `X-Amz-Signature=${vector.query}`,
  ]
  const joint = vector.target.includes('?') ? '&' : '?'
  return request(vector, vector.target + joint + parameters.join('&'), vector.headers)
}

/** As a server gets it. */
export function asArrived({ method, target, headers, body }: AwsRequest): SignedArrival {
  return { method, url: target, rawHeaders: headers, body }
}

export function withValue(base: AwsRequest, name: string, value: string): AwsRequest {
  return {
    ...base,
    headers: base.headers.map((text, i) =>
      i % 2 === 1 && base.headers[i - 1]?.toLowerCase() === name.toLowerCase() ? value : text,
    ),
  }
}

export function plus(base: AwsRequest, name: string, value: string): AwsRequest {
  return { ...base, headers: [...base.headers, name, value] }
}

/** `name` in lower case. */
export function without(base: AwsRequest, name: string): AwsRequest {
  return {
    ...base,
    headers: base.headers.filter((_, i) => base.headers[i - (i % 2)]?.toLowerCase() !== name),
  }
}

export function valueOf({ headers }: AwsRequest, name: string): string {
  return headers[headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name) + 1] ?? ''
}

function request({ method, body = '' }: SigningVector, target: string, headers: readonly string[]): AwsRequest {
  return {
    method,
    scheme: 'https',
    authority: authority('example.amazonaws.com'),
    target: onTheWire(target),
    headers,
    body: Buffer.from(body),
  }
}

function namesOf(headers: readonly string[]): string {
  return [...new Set(headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()))].toSorted().join(';')
}
