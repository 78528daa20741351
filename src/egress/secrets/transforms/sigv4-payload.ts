import { headerValues, type HeaderList } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'
import { parseQuery, splitTarget } from './sigv4-canonical.ts'
import type { SignatureClaim } from './sigv4-claim.ts'
import type { ChunkedPayload } from './sigv4-chunks.ts'
import { sha256 } from './sigv4-signature.ts'

/** How a signature covers the body. `text` is what stands in the canonical request. */
export type Payload =
  | { readonly kind: 'hashed'; readonly text: string }
  | { readonly kind: 'unsigned'; readonly text: string }
  | { readonly kind: 'chunked'; readonly text: ChunkedPayload }

const UNSIGNED: ReadonlySet<string> = new Set(['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'])
const CHUNKED: ReadonlySet<string> = new Set<ChunkedPayload>([
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
])

/**
 * What `x-amz-content-sha256` says of the body, or what its absence means. Throws TransformRefused when it says
 * something untrue, or something that the connection does not allow.
 */
export function readPayload(
  request: {
    readonly scheme: 'http' | 'https'
    readonly target: string
    readonly headers: HeaderList
    readonly body: Buffer
  },
  claim: SignatureClaim,
): Payload {
  const declared = [
    ...headerValues(request.headers, 'x-amz-content-sha256'),
    ...parseQuery(splitTarget(request.target)[1]).flatMap(([name, value]) =>
      name === 'X-Amz-Content-Sha256' ? [value] : [],
    ),
  ]
  if (declared.length > 1) throw refused('is given twice')
  const [text] = declared
  if (text === undefined) {
    if (claim.place === 'query' && claim.scope.service.startsWith('s3')) return unsigned('UNSIGNED-PAYLOAD', request)
    return { kind: 'hashed', text: sha256(request.body) }
  }
  if (UNSIGNED.has(text)) return unsigned(text, request)
  if (CHUNKED.has(text)) return { kind: 'chunked', text: text as ChunkedPayload }
  if (!/^[0-9a-f]{64}$/.test(text)) throw refused('is neither a SHA-256 nor a way of signing that is supported')
  if (text !== sha256(request.body)) throw refused('is not the SHA-256 of the body')
  return { kind: 'hashed', text }
}

/** Only TLS protects such a body, so there must be TLS; AWS asks the same. */
function unsigned(text: string, { scheme }: { readonly scheme: string }): Payload {
  if (scheme !== 'https') throw refused('leaves the body unsigned on a connection without TLS')
  return { kind: 'unsigned', text }
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the AWS signature cannot be used: x-amz-content-sha256 ${problem}`)
}
