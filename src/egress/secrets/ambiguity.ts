import { CageError } from '../../errors.ts'
import type { ProtectedValue, SecretBinding } from './binding.ts'
import { canonicalBytes } from './canonical.ts'
import { spellings } from './dialect.ts'
import { canonicalForms } from './forms.ts'
import { NeedleIndex } from './needle-index.ts'

/** Throws CageError `secret_invalid` where two bindings could be taken for one another. */
export function refuseDuplicates(bindings: readonly SecretBinding[]): void {
  const names = new Set<string>()
  const placeholders = new Set<string>()
  for (const { name, placeholder, value } of bindings) {
    if (names.has(name)) throw invalid(`secret ${name} is listed twice`)
    if (placeholders.has(placeholder)) throw invalid(`the placeholder of ${name} is also that of another secret`)
    if (value.reveal() === '') throw invalid(`secret ${name} is empty`)
    if (placeholder === '') throw invalid(`the placeholder of ${name} is empty`)
    names.add(name)
    placeholders.add(placeholder)
  }
}

/**
 * A value inside a placeholder would be redacted into itself, and a placeholder inside a value would be injected into.
 * `others` are values that are redacted too. Throws CageError `secret_invalid`.
 */
export function refuseAmbiguous(bindings: readonly SecretBinding[], others: readonly ProtectedValue[]): void {
  const texts = [...bindings, ...others].map(({ value }) => value.reveal())
  const values = new NeedleIndex(texts.flatMap((text) => spellings(text).map((spelling) => Buffer.from(spelling.text))))
  const loose = new NeedleIndex(texts.flatMap((text) => canonicalForms(text).map(({ bytes }) => bytes)))
  const placeholders = new NeedleIndex(bindings.map(({ placeholder }) => Buffer.from(placeholder)))
  for (const { name, placeholder, value } of bindings) {
    const bytes = Buffer.from(placeholder)
    if (values.indexOf(bytes) !== -1 || loose.indexOf(canonicalBytes(bytes)) !== -1)
      throw invalid(`the placeholder of ${name} contains the value of a secret`)
    if (placeholders.indexOf(Buffer.from(value.reveal())) !== -1)
      throw invalid(`the value of ${name} contains a placeholder`)
  }
}

function invalid(message: string): CageError {
  return new CageError('secret_invalid', message, {
    hint: 'Give each secret a value and a placeholder of its own, long enough not to occur by chance.',
  })
}
