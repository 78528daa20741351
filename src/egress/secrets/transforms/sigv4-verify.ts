import { formatAuthority, type Authority } from '../../../policy/host.ts'
import { headerValue, type HeaderList } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'
import { canonicalRequest } from './sigv4-canonical.ts'
import type { SignatureClaim } from './sigv4-claim.ts'
import { readPayload, type Payload } from './sigv4-payload.ts'
import { equalSignatures, signingKey, signRequest } from './sigv4-signature.ts'

/** A request as AWS Signature Version 4 sees it. */
export interface AwsRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  readonly target: string
  readonly headers: HeaderList
  readonly body: Buffer
}

/** A claim that holds, with what signing anew needs. */
export interface VerifiedClaim extends SignatureClaim {
  readonly payload: Payload
  readonly decoyKey: Buffer
}

/** What AWS itself takes at most. */
const MAX_SKEW_MS = 15 * 60_000

/**
 * Checks that a request is signed as it stands with the decoy key, now. Throws TransformRefused when it is not: what
 * goes out signed with the real key is what a holder of the decoy meant, or nothing.
 */
export function verifyClaim(
  request: AwsRequest,
  claim: SignatureClaim,
  { secretAccessKey, now }: { readonly secretAccessKey: string; readonly now: Date },
): VerifiedClaim {
  checkTime(claim, now)
  const unsigned = request.headers.find(
    (name, index) => index % 2 === 0 && /^x-amz-/i.test(name) && !claim.signedHeaders.includes(name.toLowerCase()),
  )
  if (unsigned !== undefined) throw refused(`the header ${unsigned.toLowerCase()} is not signed`)
  const payload = readPayload(request, claim)
  const decoyKey = signingKey(secretAccessKey, claim.scope)
  const canonical = canonicalRequest(
    { ...request, host: headerValue(request.headers, 'host') ?? hostField(request) },
    { service: claim.scope.service, signedHeaders: claim.signedHeaders, payloadHash: payload.text },
  )
  if (!equalSignatures(signRequest(decoyKey, canonical, claim), claim.signature))
    throw refused('it is not that of this request with the keys of the cage')
  return { ...claim, payload, decoyKey }
}

/** Milliseconds since a request was signed; NaN when its time is none. */
export function ageOf({ time }: SignatureClaim, now: Date): number {
  const iso = time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  return now.getTime() - Date.parse(iso)
}

/** `Host` as it is sent upstream: without the scheme's own port. */
export function hostField({ authority, scheme }: Pick<AwsRequest, 'authority' | 'scheme'>): string {
  const text = formatAuthority(authority)
  return authority.port === (scheme === 'https' ? 443 : 80) ? text.slice(0, text.lastIndexOf(':')) : text
}

function checkTime(claim: SignatureClaim, now: Date): void {
  const age = ageOf(claim, now)
  const longest = claim.place === 'header' ? MAX_SKEW_MS : claim.expires * 1000
  if (Number.isNaN(age) || age < -MAX_SKEW_MS || age > longest)
    throw refused('X-Amz-Date is not now, or the URL has expired')
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the AWS signature cannot be used: ${problem}`)
}
