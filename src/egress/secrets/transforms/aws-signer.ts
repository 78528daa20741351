import type { AwsConfig } from '../../../config/schema-transforms.ts'
import type { Placeholder } from '../../../secrets/placeholders.ts'
import { Secret } from '../../../secrets/secret.ts'
import { headerValues } from '../../http/headers.ts'
import type { SecretBinding } from '../binding.ts'
import { decoyKeys, parseAwsKeys } from './aws-keys.ts'
import { TransformRefused } from './refusal.ts'
import type { Signer } from './signer.ts'
import { refuseCredentials } from './sigv4-credentials.ts'
import { readClaim } from './sigv4-claim.ts'
import { checkScope } from './sigv4-scope.ts'
import { signAnew } from './sigv4-sign.ts'
import { verifyClaim } from './sigv4-verify.ts'

/**
 * `aws-sigv4`: what the workload signed with its decoy keys is verified and signed with the real ones. Throws CageError
 * `secret_invalid` for a secret that holds no keys.
 */
export function awsSigner(binding: SecretBinding, config: AwsConfig): Signer {
  const { name, injectTo } = binding
  const keys = parseAwsKeys(binding.value, config.access_key_id)
  const decoy = decoyKeys(binding.placeholder)
  const guard = (value: string | undefined, placeholder: string): Signer['values'] =>
    value === undefined
      ? []
      : [{ name, value: new Secret(name, value), placeholder: placeholder as Placeholder, injectTo: [] }]
  return {
    name,
    placeholder: { name, placeholder: decoy.accessKeyId as Placeholder, injectTo, injection: undefined },
    values: [
      ...guard(keys.accessKeyId, decoy.accessKeyId),
      ...guard(keys.secretAccessKey, decoy.secretAccessKey),
      ...guard(keys.sessionToken, binding.placeholder),
    ],
    begin(request, now) {
      const signed = [request.target, ...headerValues(request.headers, 'authorization')]
      if (!signed.some((text) => text.includes(decoy.accessKeyId))) return undefined
      const claim = readClaim(request)
      if (claim === undefined)
        throw new TransformRefused('request', 'the AWS signature cannot be used: it is not of Version 4')
      if (claim.accessKeyId !== decoy.accessKeyId) return undefined
      checkScope(claim.scope, request.authority.host, config)
      refuseCredentials(request, claim.scope.service, config.services)
      const verified = verifyClaim(request, claim, { secretAccessKey: decoy.secretAccessKey, now })
      return (final, at) => {
        const signedAnew = signAnew(final, { claim: verified, keys, now: at })
        const real = readClaim(signedAnew)?.signature
        return { request: signedAnew, signatures: guard(real, claim.signature) }
      }
    },
  }
}
