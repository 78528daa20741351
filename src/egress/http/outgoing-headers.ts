import { formatOrigin } from '../../policy/host.ts'
import type { UpstreamRequest } from '../upstream/upstream.ts'
import { headerValue, headerValues, withHeader, withoutHeaders, type HeaderList } from './headers.ts'

/** RFC 9112: one Host in normal form, a Content-Length that is true, and no `Expect`, which was answered here. */
export function http1Headers(
  { origin, named: hostField, headers, body, method }: UpstreamRequest,
  from: 'http/1.1' | 'h2',
): HeaderList {
  const { scheme, authority } = origin
  const host = hostField ?? formatOrigin(authority, scheme)
  const kept = withoutHeaders(
    headers,
    (name) => name === 'expect' || name === 'trailer' || (from === 'h2' && (name === 'host' || name === 'cookie')),
  )
  const cookies = from === 'h2' ? headerValues(headers, 'cookie') : []
  if (cookies.length > 0) kept.push('cookie', cookies.join('; ')) // RFC 9113 section 8.2.3
  const named = from === 'h2' ? ['Host', host, ...kept] : withHeader(kept, 'Host', host)
  const declares = headerValue(headers, 'content-length') !== undefined
  const needsLength = body.length > 0 || declares || method === 'POST' || method === 'PUT' || method === 'PATCH'
  return needsLength ? withHeader(named, 'Content-Length', String(body.length)) : named
}

export function http2Headers({ headers, body }: UpstreamRequest): HeaderList {
  const kept = withoutHeaders(
    headers,
    (name) => name === 'host' || name === 'expect' || name === 'content-length' || name === 'trailer',
  )
  return body.length > 0 ? [...kept, 'content-length', String(body.length)] : kept
}
