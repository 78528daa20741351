import type { TokenEndpoint } from '../../../config/schema-transforms.ts'
import { formatAuthority } from '../../../policy/host.ts'
import { headerValue } from '../../http/headers.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../../upstream/upstream.ts'
import { TransformRefused } from './refusal.ts'
import { MAX_TOKEN_RESPONSE, parseTokenResponse, type TokenResponse } from './token-response.ts'

export interface TokenRequest {
  /** Name of the secret, for reasons. */
  readonly name: string
  readonly endpoint: TokenEndpoint
  readonly form: Readonly<Record<string, string>>
  /** Value of `Authorization`, where the client proves who it is there. */
  readonly authorization?: string | undefined
}

/** From the first byte to the last. */
const TIMEOUT_MS = 30_000

/**
 * Asks a token endpoint, once, over the egress's own verified connections; redirects are not followed. Rejects with
 * TransformRefused, which says nothing of what the endpoint answered but its status.
 */
export async function requestToken(upstream: Upstream, request: TokenRequest): Promise<TokenResponse> {
  const call = upstream.http1.send(httpRequest(request))
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(refused(request, 'did not answer in time')), TIMEOUT_MS)
  try {
    const response = await Promise.race([call.response, tooLate])
    if (response.status !== 200) throw refused(request, `answered ${response.status}`)
    const tokens = parseTokenResponse(await Promise.race([readBody(response), tooLate]))
    if (tokens === undefined) throw refused(request, 'did not answer with a token')
    return tokens
  } catch (error) {
    if (error instanceof TransformRefused) throw error
    throw refused(request, 'could not be asked', error)
  } finally {
    clearTimeout(timer)
    call.cancel()
  }
}

function httpRequest({ endpoint, form, authorization }: TokenRequest): UpstreamRequest {
  const { authority, path } = endpoint
  const text = formatAuthority(authority)
  const body = Buffer.from(new URLSearchParams(form).toString())
  const headers = [
    ['Host', authority.port === 443 ? text.slice(0, text.lastIndexOf(':')) : text],
    ['Accept', 'application/json'],
    ['Accept-Encoding', 'identity'],
    ...(authorization === undefined ? [] : [['Authorization', authorization]]),
    ['Content-Type', 'application/x-www-form-urlencoded'],
    ['Content-Length', String(body.length)],
  ].flat()
  return { origin: { scheme: 'https', authority }, method: 'POST', path, headers, body }
}

async function readBody({ headers, body }: UpstreamResponse): Promise<Buffer> {
  if (headerValue(headers, 'content-encoding') !== undefined) return Buffer.alloc(0) // It was asked not to.
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_TOKEN_RESPONSE) break
    chunks.push(chunk)
  }
  return size > MAX_TOKEN_RESPONSE ? Buffer.alloc(0) : Buffer.concat(chunks)
}

function refused({ name, endpoint }: TokenRequest, problem: string, cause?: unknown): TransformRefused {
  const host = formatAuthority(endpoint.authority)
  return new TransformRefused('source', `no token for ${name}: ${host} ${problem}`, { cause })
}
