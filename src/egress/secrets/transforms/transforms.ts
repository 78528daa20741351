import type { Secret } from '../../../secrets/secret.ts'
import type { Destination } from '../permission.ts'
import { permissionFor, type NamedPorts } from '../permission.ts'
import type { ProtectedValue, SecretBinding } from '../binding.ts'
import type { Guards } from '../guards.ts'
import { awsSigner } from './aws-signer.ts'
import { googleSource } from './google-source.ts'
import { hmacSigner } from './hmac-signer.ts'
import type { Ask } from './minter.ts'
import { OauthSource } from './oauth-source.ts'
import { TransformRefused } from './refusal.ts'
import type { SignableHttpRequest, Sign, SignedHttpRequest, Signer } from './signer.ts'
import type { Exchangeable, SourceOptions, TokenSource } from './token-source.ts'

/** A rule that has a transform. */
type TransformBinding = SecretBinding & Required<Pick<SecretBinding, 'transform'>>

interface BoundSource {
  readonly binding: SecretBinding
  readonly source: TokenSource
}

/** A request that was begun to be signed. */
export interface BegunSigning {
  /** Names of the secrets that sign. */
  readonly names: readonly string[]
  readonly sign: Sign
}

/** Keeps values secret from now on. Throws a CageError when it cannot. */
interface Guardian {
  protect(value: ProtectedValue): void
}

/** Whom to tell of another token. Tokens outlive configurations, so all of an egress share it. */
interface Listener {
  /** `values`: of the source that has it, which may be one that only exchanges under way still use. */
  changed: (values: readonly ProtectedValue[]) => void
}

/** The rules with a transform, and the tokens that were made for them so far. */
export class Transforms {
  readonly isEmpty: boolean
  readonly #sources: readonly BoundSource[]
  readonly #signers: readonly { readonly binding: SecretBinding; readonly signer: Signer }[]
  readonly #listener: Listener

  /**
   * Tokens of `before` are kept for rules that are the same. Throws CageError `secret_invalid` for a value that its
   * transform cannot use.
   */
  constructor(bindings: readonly SecretBinding[], clock: () => Date, before?: Transforms) {
    const rules = bindings.filter((binding): binding is TransformBinding => binding.transform !== undefined)
    const listener = before === undefined ? { changed: () => {} } : before.#listener
    this.isEmpty = rules.length === 0
    this.#listener = listener
    const known = before === undefined ? [] : before.#sources
    this.#sources = rules.flatMap((binding) => sourceFor(binding, { clock, listener, known }))
    this.#signers = rules.toSorted(bySigningLast).flatMap((binding) => {
      const signer = signerFor(binding)
      return signer === undefined ? [] : [{ binding, signer }]
    })
  }

  /** Changes with every token. */
  get guards(): Guards {
    return {
      placeholders: [
        ...this.#sources.flatMap(({ source, binding }) => source.placeholders(binding)),
        ...this.#signers.map(({ signer }) => signer.placeholder),
      ],
      values: [
        ...this.#sources.flatMap(({ source, binding }) => source.values(binding)),
        ...this.#signers.flatMap(({ signer }) => signer.values),
      ],
    }
  }

  /** These are the rules in force now: `guardians` learn of what was made, and of every token before it is used. */
  guardWith(guardians: readonly Guardian[]): void {
    const tell = (values: readonly ProtectedValue[]): void => {
      for (const value of [...this.guards.values, ...values]) for (const guardian of guardians) guardian.protect(value)
    }
    tell([])
    this.#listener.changed = (values) => {
      try {
        tell(values)
      } catch (cause) {
        throw new TransformRefused('source', 'a token that was given cannot be told from other secrets', { cause })
      }
    }
  }

  /** Verifies what the workload signed with decoys; undefined when it signed nothing. Throws TransformRefused. */
  begin(request: SignableHttpRequest & Destination, now: Date, namesPort: NamedPorts): BegunSigning | undefined {
    const begun = this.#signers.flatMap(({ binding, signer }) => {
      if (permissionFor(binding, request, namesPort) !== 'granted') return []
      const sign = signer.begin(request, now)
      return sign === undefined ? [] : [{ name: signer.name, sign }]
    })
    if (begun.length === 0) return undefined
    return {
      names: begun.map(({ name }) => name),
      sign: (final, at) =>
        begun.reduce<SignedHttpRequest>(
          (before, { sign }) => {
            const { request: signed, signatures } = sign(before.request, at)
            return { request: signed, signatures: [...before.signatures, ...signatures] }
          },
          { request: final, signatures: [] },
        ),
    }
  }

  /** Tokens for placeholders of these names, by name. Rejects with TransformRefused. */
  async tokens(names: readonly string[], ask: Ask): Promise<ReadonlyMap<string, Secret>> {
    const wanted = this.#sources.filter(({ source, binding }) =>
      source.placeholders(binding).some(({ name }) => names.includes(name)),
    )
    const found = await Promise.all(wanted.map(({ source }) => source.tokens(ask)))
    return new Map(found.flatMap((tokens) => [...tokens]))
  }

  /** The rules whose tokens the workload may ask for at this destination, with what stands for their secrets. */
  exchangeableAt({ authority, path }: Pick<Destination, 'authority' | 'path'>): readonly ExchangeableRule[] {
    return this.#sources.flatMap(({ source, binding }) => {
      const { name, exchangeable } = source
      if (exchangeable === undefined || exchangeable.endpoint.path !== path) return []
      const { host, port } = exchangeable.endpoint.authority
      if (host !== authority.host || port !== authority.port) return []
      const [token, companion] = source.placeholders(binding)
      if (token === undefined || companion === undefined) return []
      const { placeholder } = token
      return [{ name, exchangeable, placeholder, companionPlaceholder: companion.placeholder }]
    })
  }
}

/** A rule at its own token endpoint. */
export interface ExchangeableRule {
  readonly name: string
  readonly exchangeable: Exchangeable
  readonly placeholder: string
  /** For an id token. */
  readonly companionPlaceholder: string
}

interface SourceContext {
  readonly clock: () => Date
  readonly listener: Listener
  readonly known: readonly BoundSource[]
}

function sourceFor(binding: TransformBinding, { clock, listener, known }: SourceContext): readonly BoundSource[] {
  const kept = known.find(({ source }) => source.name === binding.name && source.isFor(binding))
  if (kept !== undefined) return [{ binding, source: kept.source }]
  const source = newSource(binding, { clock, onChange: () => listener.changed(source?.values(binding) ?? []) })
  return source === undefined ? [] : [{ binding, source }]
}

function newSource(binding: TransformBinding, options: SourceOptions): TokenSource | undefined {
  const { rule } = binding.transform
  switch (rule.transform) {
    case 'google-jwt-bearer':
      return googleSource(binding, rule.transform_config, options)
    case 'oauth2-refresh':
      return new OauthSource(binding, rule.transform_config, options)
    case 'aws-sigv4':
    case 'hmac':
      return undefined
  }
}

/** AWS signs whole requests: whatever else changes header fields comes before. */
function bySigningLast(one: TransformBinding, other: TransformBinding): number {
  const isLast = ({ transform }: TransformBinding): number => Number(transform.rule.transform === 'aws-sigv4')
  return isLast(one) - isLast(other)
}

function signerFor(binding: TransformBinding): Signer | undefined {
  const { rule } = binding.transform
  switch (rule.transform) {
    case 'aws-sigv4':
      return awsSigner(binding, rule.transform_config)
    case 'hmac':
      return hmacSigner(binding, rule.transform_config)
    case 'google-jwt-bearer':
    case 'oauth2-refresh':
      return undefined
  }
}
