import type { SecretTarget } from '../../config/schema.ts'
import type { Placeholder } from '../../secrets/placeholders.ts'
import type { ProtectedValue } from './binding.ts'

/** A placeholder in whose place comes what a transform makes when a request is sent. */
export interface GuardedPlaceholder {
  readonly name: string
  readonly placeholder: Placeholder
  /** Where it may go. */
  readonly injectTo: readonly SecretTarget[]
  /** How what is made is put in; undefined: the transform writes the request itself. */
  readonly injection:
    | {
        readonly injectTo: readonly SecretTarget[]
        readonly injectHeaders: ReadonlySet<string>
        readonly injectBody: boolean
      }
    | undefined
}

/** What a set of secrets has to know of those that it does not put in as they are. */
export interface Guards {
  /** The secrets of transforms, which may go nowhere, and what was made of them. */
  readonly values: readonly ProtectedValue[]
  readonly placeholders: readonly GuardedPlaceholder[]
}

export const NO_GUARDS: Guards = { values: [], placeholders: [] }
