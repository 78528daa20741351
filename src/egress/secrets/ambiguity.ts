import { CageError } from '../../errors.ts'
import type { ProtectedValue, SecretBinding } from './binding.ts'
import { canonicalBytes } from './canonical.ts'
import { spellings } from './dialect.ts'
import { canonicalForms } from './forms.ts'
import { NeedleIndex } from './needle-index.ts'

type Named = Pick<SecretBinding, 'name' | 'placeholder'>

/** Throws CageError `secret_invalid` where two secrets could be taken for one another. */
export function refuseDuplicates(bindings: readonly Named[]): void {
  const names = new Set<string>()
  const placeholders = new Set<string>()
  for (const { name, placeholder } of bindings) {
    if (names.has(name)) throw invalid(`secret ${name} is listed twice`)
    if (placeholders.has(placeholder)) throw invalid(`the placeholder of ${name} is also that of another secret`)
    if (placeholder === '') throw invalid(`the placeholder of ${name} is empty`)
    names.add(name)
    placeholders.add(placeholder)
  }
}

/**
 * A value inside a placeholder would be redacted into itself, and a placeholder inside a value would be injected into.
 * Throws CageError `secret_invalid`, also for an empty value.
 */
export function refuseAmbiguous(named: readonly Named[], secrets: readonly ProtectedValue[]): void {
  const texts = secrets.map(({ value }) => value.reveal())
  const empty = secrets[texts.indexOf('')]
  if (empty !== undefined) throw invalid(`secret ${empty.name} is empty`)
  const values = new NeedleIndex(texts.flatMap((text) => spellings(text).map((spelling) => Buffer.from(spelling.text))))
  const loose = new NeedleIndex(texts.flatMap((text) => canonicalForms(text).map(({ bytes }) => bytes)))
  const placeholders = new NeedleIndex(named.map(({ placeholder }) => Buffer.from(placeholder)))
  for (const { name, placeholder } of named) {
    const bytes = Buffer.from(placeholder)
    if (values.indexOf(bytes) !== -1 || loose.indexOf(canonicalBytes(bytes)) !== -1)
      throw invalid(`the placeholder of ${name} contains the value of a secret`)
  }
  for (const { name, value } of secrets) {
    if (placeholders.indexOf(Buffer.from(value.reveal())) !== -1)
      throw invalid(`the value of ${name} contains a placeholder`)
  }
}

function invalid(message: string): CageError {
  return new CageError('secret_invalid', message, {
    hint: 'Give each secret a value and a placeholder of its own, long enough not to occur by chance.',
  })
}
