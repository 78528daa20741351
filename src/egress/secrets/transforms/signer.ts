import type { ProtectedValue } from '../binding.ts'
import type { GuardedPlaceholder } from '../guards.ts'
import type { AwsRequest } from './sigv4-verify.ts'

/** A request that may have to be signed. */
export type SignableHttpRequest = AwsRequest

/** A request with real signatures, and these, which the workload may not see. */
export interface SignedHttpRequest {
  readonly request: SignableHttpRequest
  readonly signatures: readonly ProtectedValue[]
}

/** The request may differ from the one that was begun with where other secrets were put in. */
export type Sign = (request: SignableHttpRequest, now: Date) => SignedHttpRequest

/** A rule that signs requests of the workload with a key that the workload does not have. */
export interface Signer {
  readonly name: string
  readonly placeholder: GuardedPlaceholder
  readonly values: readonly ProtectedValue[]
  /**
   * How to sign this request, as the workload sent it; undefined when it bears no decoy of this rule. Throws
   * TransformRefused when it bears one that does not hold.
   */
  begin(request: SignableHttpRequest, now: Date): Sign | undefined
}
