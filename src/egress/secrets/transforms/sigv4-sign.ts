import { headerValue, withHeader, withoutHeaders } from '../../http/headers.ts'
import type { AwsKeys } from './aws-keys.ts'
import { TransformRefused } from './refusal.ts'
import { canonicalRequest, parseQuery, splitTarget, uriEncode } from './sigv4-canonical.ts'
import { signChunks } from './sigv4-chunks.ts'
import { ALGORITHM, scopeText, sha256, signingKey, signRequest } from './sigv4-signature.ts'
import { ageOf, hostField, type AwsRequest, type VerifiedClaim } from './sigv4-verify.ts'

export interface SigningTask {
  readonly claim: VerifiedClaim
  readonly keys: AwsKeys
  readonly now: Date
}

/** A presigned URL is signed when it is used: an echo of it is of no use a minute later. */
const PRESIGNED_SECONDS = 60

/** Fields that the way upstream may change, and those that are made anew; AWS asks for none of the former to be signed. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'te',
  'trailer',
  'transfer-encoding',
  'user-agent',
  'x-amz-security-token',
])

/**
 * The request signed with the real keys. It may differ from the one that was verified where placeholders of other
 * secrets were filled in and where fields were left out. Throws TransformRefused when it cannot be signed.
 */
export function signAnew(request: AwsRequest, task: SigningTask): AwsRequest {
  const { claim, keys, now } = task
  if (keys.expiresAt !== undefined && keys.expiresAt <= now.getTime())
    throw new TransformRefused('source', 'the AWS credentials have expired')
  const bare = { ...request, headers: withoutHeaders(request.headers, (name) => name === 'x-amz-security-token') }
  return claim.place === 'header' ? signHeaders(bare, task) : signQuery(bare, task)
}

function signHeaders(request: AwsRequest, { claim, keys }: SigningTask): AwsRequest {
  const payloadHash = payloadHashOf(request, claim)
  const hashed =
    headerValue(request.headers, 'x-amz-content-sha256') === undefined
      ? request.headers
      : withHeader(request.headers, 'x-amz-content-sha256', payloadHash)
  const headers =
    keys.sessionToken === undefined ? hashed : withHeader(hashed, 'X-Amz-Security-Token', keys.sessionToken)
  const kept = keptSignedHeaders({ ...request, headers }, claim)
  const signedHeaders = keys.sessionToken === undefined ? kept : [...kept, 'x-amz-security-token'].toSorted()
  const { signature, body } = signWhole({ ...request, headers }, { claim, keys, signedHeaders, payloadHash })
  const credential = `Credential=${keys.accessKeyId}/${scopeText(claim.scope)}`
  const value = `${ALGORITHM} ${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return { ...request, headers: withHeader(headers, 'Authorization', value), body }
}

function signQuery(request: AwsRequest, { claim, keys, now }: SigningTask): AwsRequest {
  const payloadHash = payloadHashOf(request, claim)
  const signedHeaders = keptSignedHeaders(request, claim)
  const age = Math.max(0, Math.ceil(ageOf(claim, now) / 1000))
  const target = withParameters(request.target, {
    'X-Amz-Credential': `${keys.accessKeyId}/${scopeText(claim.scope)}`,
    'X-Amz-Expires': String(Math.min(claim.expires, age + PRESIGNED_SECONDS)),
    'X-Amz-SignedHeaders': signedHeaders.join(';'),
    'X-Amz-Security-Token': keys.sessionToken,
  })
  const { signature, body } = signWhole({ ...request, target }, { claim, keys, signedHeaders, payloadHash })
  return { ...request, target: `${target}&X-Amz-Signature=${signature}`, body }
}

/** Another secret that was filled into the body changes its hash; in signed chunks it would change their sizes. */
function payloadHashOf({ body, headers }: AwsRequest, { payload }: VerifiedClaim): string {
  if (payload.kind !== 'hashed') return payload.text
  const hash = sha256(body)
  if (hash !== payload.text && headerValue(headers, 'x-amz-content-sha256') === undefined)
    throw new TransformRefused('request', 'a body signed in the URL cannot hold placeholders')
  return hash
}

function keptSignedHeaders({ headers }: AwsRequest, { signedHeaders }: VerifiedClaim): readonly string[] {
  return signedHeaders.filter(
    (name) => name === 'host' || (!NOT_KEPT.has(name) && headerValue(headers, name) !== undefined),
  )
}

interface WholeTask {
  readonly claim: VerifiedClaim
  readonly keys: AwsKeys
  readonly signedHeaders: readonly string[]
  readonly payloadHash: string
}

function signWhole(request: AwsRequest, task: WholeTask): { readonly signature: string; readonly body: Buffer } {
  const { claim, signedHeaders, payloadHash } = task
  const key = signingKey(task.keys.secretAccessKey, claim.scope)
  const options = { service: claim.scope.service, signedHeaders, payloadHash }
  const signature = signRequest(key, canonicalRequest({ ...request, host: hostField(request) }, options), claim)
  if (claim.payload.kind !== 'chunked') return { signature, body: request.body }
  const decoy = { key: claim.decoyKey, signing: claim, seed: claim.signature }
  const real = { key, signing: claim, seed: signature }
  return { signature, body: signChunks(request.body, claim.payload.text, { decoy, real }) }
}

/** Sets parameters of a presigned URL, leaving the others as they are written; the signature goes. */
function withParameters(target: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const [path, query] = splitTarget(target)
  const gone = new Set([...Object.keys(parameters), 'X-Amz-Signature'])
  const kept = query.split('&').filter((part) => !parseQuery(part).some(([name]) => gone.has(name)))
  const set = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${uriEncode(value)}`],
  )
  return `${path}?${[...kept, ...set].join('&')}`
}
