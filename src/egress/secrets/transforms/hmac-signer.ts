import type { HmacConfig } from '../../../config/schema-transforms.ts'
import { CageError } from '../../../errors.ts'
import type { Placeholder } from '../../../secrets/placeholders.ts'
import { Secret } from '../../../secrets/secret.ts'
import { headerValue } from '../../http/headers.ts'
import type { SecretBinding } from '../binding.ts'
import { findSignature, keyBytes, signWithHmac, type HmacRule } from './hmac.ts'
import type { MessageParts } from './hmac-message.ts'
import type { SignableHttpRequest, Signer } from './signer.ts'
import { hostField } from './sigv4-verify.ts'

/**
 * `hmac`: the signature comes where the placeholder stands, or the one that the placeholder made as a key. Throws
 * CageError `secret_invalid` for a secret that is not written as a key is.
 */
export function hmacSigner(binding: SecretBinding, config: HmacConfig): Signer {
  const { name, placeholder, injectTo, value } = binding
  const key = keyBytes(value.reveal(), config.key_encoding)
  if (key === undefined)
    throw new CageError('secret_invalid', `the value of secret ${name} is not a key in ${config.key_encoding}`)
  const rule = ruleOf(config)
  const decoy = { placeholder, key: keyBytes(placeholder, config.key_encoding) }
  return {
    name,
    placeholder: { name, placeholder, injectTo, injection: undefined },
    values: [{ name, value, placeholder, injectTo: [] }],
    begin(request, now) {
      const found = findSignature(partsOf(request), rule, { decoy, now })
      if (found === undefined) return undefined
      return (final, at) => {
        const headers = signWithHmac(partsOf(final), rule, { found, key, now: at })
        const prefix = found.value.length - found.decoy.length
        const signature = new Secret(name, (headerValue(headers, rule.header.toLowerCase()) ?? '').slice(prefix))
        const shown = { name, value: signature, placeholder: found.decoy as Placeholder, injectTo: [] }
        return { request: { ...final, headers }, signatures: [shown] }
      }
    },
  }
}

function ruleOf(config: HmacConfig): HmacRule {
  const { header, algorithm, encoding, message, timestamp_header: timestamp, timestamp_unit: unit } = config
  return {
    header,
    algorithm,
    encoding,
    message,
    timestamp: timestamp === undefined ? undefined : { header: timestamp, unit },
  }
}

function partsOf(request: SignableHttpRequest): MessageParts {
  const { method, target, headers, body } = request
  return { method, target, headers, body, host: hostField(request), timestamp: undefined }
}
