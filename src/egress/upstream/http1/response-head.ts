import { headerValue, headerValues, type HeaderList } from '../../http/headers.ts'
import { parseFields } from './fields.ts'
import { MalformedResponse } from './malformed.ts'

/** The status line and the fields behind it. */
export interface ResponseHead {
  readonly minorVersion: 0 | 1
  readonly status: number
  readonly reason: string
  readonly headers: HeaderList
}

/** Where a body ends (RFC 9112 section 6.3). */
export type Framing =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

const NO_BODY: Framing = { kind: 'length', bytes: 0 }
const CHUNKED: Framing = { kind: 'chunked' }
const UNTIL_CLOSE: Framing = { kind: 'close' }

/** `text` is a whole head, each line with its CRLF. Throws MalformedResponse. */
export function parseResponseHead(text: string): ResponseHead {
  const match = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/.exec(text)
  if (match === null) throw new MalformedResponse('the status line is malformed')
  const [line, minor, status, reason = ''] = match
  return {
    minorVersion: minor === '1' ? 1 : 0,
    status: Number(status),
    reason,
    headers: parseFields(text, line.length),
  }
}

/** Where the body of the answer to `method` ends. Throws MalformedResponse where another reader may think otherwise. */
export function framingOf(method: string, { status, headers }: ResponseHead): Framing {
  const codings = headerValues(headers, 'transfer-encoding')
  const lengths = headerValues(headers, 'content-length')
  if (codings.length > 0 && lengths.length > 0) throw new MalformedResponse('it has a length and a transfer coding')
  // Any other coding would be passed on undone and unread; `chunked` twice, or not last, is a way to smuggle.
  if (codings.length > 1 || (codings.length === 1 && !/^chunked$/i.test(codings[0] as string)))
    throw new MalformedResponse('the transfer coding is not `chunked`')
  // A list of equal lengths may be taken for one (RFC 9110 section 8.6), and need not be: the client sees it too.
  if (lengths.length > 1) throw new MalformedResponse('it has several lengths')
  const bytes = lengths.length === 0 ? undefined : lengthOf(lengths[0] as string)
  // Not 205: that should have no content, but what it has all the same is no answer to the next request.
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NO_BODY
  if (codings.length === 1) return CHUNKED
  return bytes === undefined ? UNTIL_CLOSE : { kind: 'length', bytes }
}

function lengthOf(text: string): number {
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(bytes)) throw new MalformedResponse('the length is not a number')
  return bytes
}

/**
 * Whether the connection may carry another request (RFC 9112 section 9.3). One of HTTP/1.0 does not: whether every hop
 * before the server understood `keep-alive`, or a transfer coding, is not known (section 6.1, appendix C.2.2).
 */
export function isPersistent({ minorVersion, headers }: ResponseHead): boolean {
  if (minorVersion === 0) return false
  return headerValues(headers, 'connection').every((value) => !/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value))
}

/** How long the server says that it keeps an idle connection: `Keep-Alive: timeout=5`. Infinity where it does not say. */
export function keptMilliseconds(headers: HeaderList): number {
  const value = headerValue(headers, 'keep-alive')
  const seconds = value === undefined ? undefined : /(?:^|[,\s])timeout=(\d{1,6})(?:[,\s]|$)/i.exec(value)?.[1]
  return seconds === undefined ? Infinity : Number(seconds) * 1000
}
