import { headerValues, type HeaderList } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'

/** What a signature of AWS Signature Version 4 is about. Strings hold bytes as Latin-1. */
export interface SignableRequest {
  readonly method: string
  /** Path and query as they are sent. */
  readonly target: string
  /** The value of `Host` or `:authority`, which takes the place of any field of that name. */
  readonly host: string
  readonly headers: HeaderList
}

export interface CanonicalOptions {
  /** Of the credential scope; S3 encodes paths in another way. */
  readonly service: string
  /** In lower case, sorted. */
  readonly signedHeaders: readonly string[]
  /** SHA-256 of the body in hex, or one of the words that stand for it. */
  readonly payloadHash: string
}

const SIGNATURE_PARAMETER = 'X-Amz-Signature'

/** The text that is hashed and signed ("Create a canonical request", AWS General Reference), bytes as Latin-1. */
export function canonicalRequest(request: SignableRequest, options: CanonicalOptions): string {
  const [path, query] = splitTarget(request.target)
  return [
    request.method,
    canonicalPath(path, options.service),
    canonicalQuery(query),
    ...options.signedHeaders.map((name) => `${name}:${canonicalValue(request, name)}`),
    '',
    options.signedHeaders.join(';'),
    options.payloadHash,
  ].join('\n')
}

/** The path, and the query without its question mark. */
export function splitTarget(target: string): readonly [string, string] {
  const mark = target.indexOf('?')
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
}

/** Names and values of a query, decoded; `+` is a plus. Throws TransformRefused for a malformed escape. */
export function parseQuery(query: string): readonly (readonly [string, string])[] {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const sign = part.indexOf('=')
      return sign === -1 ? [decode(part), ''] : [decode(part.slice(0, sign)), decode(part.slice(sign + 1))]
    })
}

/** All but the unreserved characters of RFC 3986 as `%XX`, in capitals. Bytes as Latin-1. */
export function uriEncode(text: string): string {
  return text.replace(
    /[^A-Za-z0-9._~-]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

/** S3 takes a path as it is and encodes it once; the others remove dot segments and encode what was encoded again. */
function canonicalPath(path: string, service: string): string {
  if (service.startsWith('s3')) {
    return path
      .split('/')
      .map((segment) => uriEncode(decode(segment)))
      .join('/')
  }
  return withoutDotSegments(path).split('/').map(uriEncode).join('/')
}

/** RFC 3986 section 5.2.4, and of several slashes in a row one. */
function withoutDotSegments(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  return `/${kept.join('/')}${kept.length > 0 && path.endsWith('/') ? '/' : ''}`
}

function canonicalQuery(query: string): string {
  return parseQuery(query)
    .filter(([name]) => name !== SIGNATURE_PARAMETER)
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .toSorted(([name, value], [otherName, otherValue]) => compare(name, otherName) || compare(value, otherValue))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** By code, as AWS sorts; `localeCompare` does not. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** The values of a field, joined, with their runs of space made one. Throws TransformRefused when there is no such field. */
function canonicalValue({ host, headers }: SignableRequest, name: string): string {
  const values = name === 'host' ? [host] : headerValues(headers, name)
  // It ends at the egress, and there is one way only to write it: what was signed is known all the same.
  if (values.length === 0 && name === 'transfer-encoding') return 'chunked'
  if (values.length === 0) throw new TransformRefused('request', `the signed header ${name} is not in the request`)
  return values.map((value) => value.trim().replace(/[ \t]+/g, ' ')).join(',')
}

function decode(text: string): string {
  return text.replace(/%(.{0,2})/gs, (_escape, digits: string) => {
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) throw new TransformRefused('request', 'the URL has a malformed escape')
    return String.fromCharCode(Number.parseInt(digits, 16))
  })
}
