import type { CageError } from '../../../errors.ts'
import type { Secret } from '../../../secrets/secret.ts'

/** The fields of a secret whose text begins like a JSON object. Throws what `invalid` makes, which never holds the value. */
export function fieldsOf(
  secret: Secret,
  invalid: (secret: Secret, problem: string) => CageError,
): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(secret.reveal()) as Readonly<Record<string, unknown>>
  } catch {
    throw invalid(secret, 'begins like JSON and is none')
  }
}
