import { createHmac } from 'node:crypto'
import { CageError } from '../../../errors.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { fieldsOf } from './secret-fields.ts'

/** What signs requests to AWS. Holds live credentials: nobody prints it. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
  /** When they end, in milliseconds since 1970; undefined when they do not say. */
  readonly expiresAt: number | undefined
}

const ACCESS_KEY_ID = /^[A-Za-z0-9_]{16,128}$/
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * Keys from a secret: what a `credential_process` prints (`aws configure export-credentials`), or the secret access key
 * alone, for the access key id that the rule names. Throws CageError `secret_invalid`, which never holds the value.
 */
export function parseAwsKeys(secret: Secret, namedAccessKeyId: string | undefined): AwsKeys {
  const text = secret.reveal()
  const fields = text.startsWith('{')
    ? fieldsOf(secret, invalid)
    : { SecretAccessKey: text, AccessKeyId: namedAccessKeyId }
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = fields
  const accessKeyId = namedAccessKeyId ?? AccessKeyId
  if (typeof accessKeyId !== 'string' || !ACCESS_KEY_ID.test(accessKeyId))
    throw invalid(secret, 'has no AccessKeyId, and the rule names no access_key_id')
  if (typeof SecretAccessKey !== 'string' || !/^[\x21-\x7e]{16,256}$/.test(SecretAccessKey))
    throw invalid(secret, 'holds no secret access key')
  if (SessionToken !== undefined && (typeof SessionToken !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(SessionToken)))
    throw invalid(secret, 'has a SessionToken that is none')
  const expiresAt = Expiration === undefined ? undefined : timeOf(Expiration)
  if (Number.isNaN(expiresAt)) throw invalid(secret, 'has an Expiration that is no time')
  return { accessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken, expiresAt }
}

/**
 * What the workload signs with: keys of the shape that clients expect, made from the placeholder, so that they are the
 * same after a restart and open nothing anywhere.
 */
export function decoyKeys(placeholder: string): Pick<AwsKeys, 'accessKeyId' | 'secretAccessKey'> {
  const derive = (label: string): Buffer => createHmac('sha256', placeholder).update(label).digest()
  const id = [...derive('aws access key id').subarray(0, 16)].map((byte) => BASE32[byte & 31]).join('')
  const secretAccessKey = derive('aws secret access key').subarray(0, 30).toString('base64')
  return { accessKeyId: `AKIA${id}`, secretAccessKey }
}

function timeOf(value: unknown): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}

function invalid(secret: Secret, problem: string): CageError {
  return new CageError('secret_invalid', `the value of secret ${secret.name} ${problem}`, {
    hint: 'aws-sigv4 takes what `aws configure export-credentials` prints, or the secret access key with access_key_id in transform_config.',
  })
}
