import { createPrivateKey, type KeyObject } from 'node:crypto'
import { CageError } from '../../../errors.ts'
import type { Secret } from '../../../secrets/secret.ts'

/** What signs for a service account of Google's. */
export interface ServiceAccount {
  readonly email: string
  readonly keyId: string | undefined
  readonly key: KeyObject
  /** The key as text, in the spellings it is recognised by. */
  readonly texts: readonly string[]
}

/** Reads the JSON key of a service account. Throws CageError `secret_invalid`, which never holds the value. */
export function parseServiceAccount(secret: Secret): ServiceAccount {
  const { client_email: email, private_key: pem, private_key_id: keyId, type } = fieldsOf(secret)
  if (type !== 'service_account') throw invalid(secret, 'is not the key of a service account')
  if (typeof email !== 'string' || !/^[\x21-\x7e]{3,320}$/.test(email)) throw invalid(secret, 'has no client_email')
  if (keyId !== undefined && (typeof keyId !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(keyId)))
    throw invalid(secret, 'has a private_key_id that is none')
  if (typeof pem !== 'string') throw invalid(secret, 'has no private_key')
  const body = pem.replace(/-----[A-Z ]+-----/g, '').replace(/\s+/g, '')
  return { email, keyId, key: keyOf(secret, pem), texts: [pem.trim(), body] }
}

function keyOf(secret: Secret, pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // The library's message may quote what it was given.
    throw invalid(secret, 'has a private_key that cannot be read')
  }
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
    throw invalid(secret, 'has a private_key that is not RSA of at least 2048 bits')
  return key
}

function fieldsOf(secret: Secret): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(secret.reveal())
  } catch {
    throw invalid(secret, 'is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(secret, 'is not a JSON object')
  return value as Readonly<Record<string, unknown>>
}

function invalid(secret: Secret, problem: string): CageError {
  return new CageError('secret_invalid', `the value of secret ${secret.name} ${problem}`, {
    hint: 'google-jwt-bearer takes the JSON file that Google gives for a key of a service account.',
  })
}
