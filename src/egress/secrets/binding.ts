import type { SecretRule, SecretTarget } from '../../config/schema.ts'
import type { Placeholder } from '../../secrets/placeholders.ts'
import type { Secret } from '../../secrets/secret.ts'
import type { HeaderList } from '../http/headers.ts'
import type { Destination } from './permission.ts'
import type { SecretTransform, TransformRule } from './transforms/transform.ts'

/** A secret, what stands for it in the cage, who may have it, and where in a request it is put in. */
export interface SecretBinding {
  readonly name: string
  readonly placeholder: Placeholder
  readonly value: Secret
  readonly injectTo: readonly SecretTarget[]
  /** Names in lower case of header fields in which it is put in beside those that carry credentials. */
  readonly injectHeaders: ReadonlySet<string>
  /** Whether it is put in everywhere: URL, all header fields, body, messages. */
  readonly injectBody: boolean
  /** What is made of the value, which then is not put in itself. */
  readonly transform?: SecretTransform
}

/** A value that must not be seen in the cage nor go astray, whether or not it is put in anywhere. */
export interface ProtectedValue extends Pick<SecretBinding, 'name' | 'placeholder' | 'value' | 'injectTo'> {
  /** When it stops opening anything, in milliseconds since 1970; absent: never. */
  readonly expiresAt?: number | undefined
}

/** A request on its way out, as the workload sent it. */
export interface OutboundRequest extends Destination {
  /** What of the path and query is looked at and filled: all of it, or '' for a message of a stream. */
  readonly target: string
  readonly headers: HeaderList
  /** The whole body, with its transfer coding removed. */
  readonly body: Buffer
}

/** Joins rules with what was resolved for them. Throws a TypeError when a rule has no secret or placeholder. */
export function bindSecrets(
  rules: readonly BoundRule[],
  secrets: readonly Secret[],
  placeholders: ReadonlyMap<string, Placeholder>,
): readonly SecretBinding[] {
  return rules.map((rule) => {
    const { env, inject_to, inject_headers, inject_body } = rule
    const value = secrets.find(({ name }) => name === env)
    const placeholder = placeholders.get(env)
    if (value === undefined || placeholder === undefined) throw new TypeError(`secret ${env} was not resolved`)
    const injectHeaders = new Set(inject_headers)
    return {
      name: env,
      placeholder,
      value,
      injectTo: inject_to,
      injectHeaders,
      injectBody: inject_body,
      ...(rule.transform === undefined ? {} : { transform: { rule } }),
    }
  })
}

type BoundRule = Pick<SecretRule, 'env' | 'inject_to' | 'inject_headers' | 'inject_body'> &
  (TransformRule | { readonly transform?: undefined })
