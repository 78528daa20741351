import { CageError } from '../errors.ts'
import { Secret } from './secret.ts'

/** Bytes of UTF-8. A private key or a service account's file fits many times. */
export const MAX_SECRET_BYTES = 65_536

const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Whether this can be the name of an environment variable and of a file. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}

/** Throws CageError `secret_invalid` for any other. */
export function checkSecretName(name: string): void {
  if (isSecretName(name)) return
  throw new CageError('secret_invalid', `not a name for a secret: ${JSON.stringify(name.slice(0, 80))}`, {
    hint: 'Use letters, digits and underscores, such as ANTHROPIC_API_KEY.',
  })
}

/**
 * A secret from what a file, a prompt or a variable held. Line breaks at the end are not part of the value: editors and
 * `echo` add them, and a value with them would not be recognised where it is repeated without.
 * Others may be in it (a PEM key); such a value is injected into bodies and URLs, never into a header.
 * Throws CageError `secret_invalid` for what is empty, too long, not UTF-8 or holds NUL. No message holds the value.
 */
export function parseSecret(name: string, source: string | Buffer): Secret {
  checkSecretName(name)
  const bytes = typeof source === 'string' ? Buffer.from(source) : source
  const value = bytes.subarray(0, endWithoutLineBreaks(bytes))
  if (value.length > MAX_SECRET_BYTES) throw invalid(name, `is longer than ${MAX_SECRET_BYTES} bytes`)
  if (value.length === 0) throw invalid(name, 'is empty')
  if (value.includes(0)) throw invalid(name, 'holds a NUL character')
  const text = value.toString()
  if (!Buffer.from(text).equals(value)) throw invalid(name, 'is not UTF-8 text')
  return new Secret(name, text)
}

function endWithoutLineBreaks(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1
  return end
}

function invalid(name: string, problem: string): CageError {
  return new CageError('secret_invalid', `the value of secret ${name} ${problem}`)
}
