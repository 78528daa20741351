import type { SecretRule, SecretTarget } from '../../config/schema.ts'
import { CageError } from '../../errors.ts'
import { zonesOf, type Authority, type Hostname } from '../../policy/host.ts'
import type { Placeholder } from '../../secrets/placeholders.ts'
import type { Secret } from '../../secrets/secret.ts'
import type { HeaderList } from '../http/headers.ts'
import { BodyRedactor, type Replacement } from './body-redactor.ts'
import { encode, spellings } from './dialect.ts'
import { Injector, type Injection } from './injector.ts'
import { MisuseDetector, type Misuse } from './misuse.ts'
import { NeedleIndex } from './needle-index.ts'
import type { Destination, NamedPorts } from './permission.ts'
import { TextRedactor } from './text-redactor.ts'

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
  rules: readonly Pick<SecretRule, 'env' | 'inject_to' | 'inject_headers' | 'inject_body'>[],
  secrets: readonly Secret[],
  placeholders: ReadonlyMap<string, Placeholder>,
): readonly SecretBinding[] {
  return rules.map(({ env, inject_to, inject_headers, inject_body }) => {
    const value = secrets.find(({ name }) => name === env)
    const placeholder = placeholders.get(env)
    if (value === undefined || placeholder === undefined) throw new TypeError(`secret ${env} was not resolved`)
    const injectHeaders = new Set(inject_headers)
    return { name: env, placeholder, value, injectTo: inject_to, injectHeaders, injectBody: inject_body }
  })
}

/**
 * Everything the egress does with secrets, prepared once for a configuration: it finds misuse in what leaves, puts real
 * values in at the last moment, and takes them out of what comes back.
 * Order for a request: `misuse` (deny when there is one), inspectors, `inject`, send.
 */
export class SecretSet {
  readonly isEmpty: boolean
  readonly #hosts: ReadonlySet<Hostname | '*'>
  readonly #values: NeedleIndex
  readonly #replacements: readonly Replacement[]
  readonly #text: TextRedactor
  readonly #injector: Injector
  readonly #misuse: MisuseDetector

  /** Throws CageError `secret_invalid` when values and placeholders cannot be told apart. */
  constructor(bindings: readonly SecretBinding[], namesPort: NamedPorts = () => false) {
    refuseDuplicates(bindings)
    this.isEmpty = bindings.length === 0
    this.#hosts = new Set(bindings.flatMap(({ injectTo }) => injectTo.map(({ host }) => host)))
    const replacements = replacementsFor(bindings)
    this.#values = new NeedleIndex([...replacements.values()].map(({ value }) => value))
    this.#replacements = this.#values.needles.map(
      (needle) => replacements.get(needle.toString('latin1')) as Replacement,
    )
    refuseAmbiguous(bindings, this.#values)
    this.#text = new TextRedactor(this.#values, this.#replacements)
    this.#injector = new Injector(bindings, namesPort)
    this.#misuse = new MisuseDetector(bindings, namesPort)
  }

  /**
   * A placeholder or a real value on its way to where it must not go, in the URL, a header or the body: the request
   * must be denied with this reason.
   */
  misuse(request: OutboundRequest): Misuse | undefined {
    return this.isEmpty ? undefined : this.#misuse.find(request)
  }

  /**
   * The request with real values for placeholders; what holds none is returned as it came, identical.
   * `Content-Length` follows the body. Throws InjectionRefused when a value cannot stand where its placeholder does.
   */
  inject(request: OutboundRequest): Injection {
    const { target, headers, body } = request
    return this.canInject(request.authority)
      ? this.#injector.inject(request)
      : { target, headers, body, injected: [], left: [] }
  }

  /** Whether any secret may go to this host. A byte range of its answer could cut a value where no redactor finds it. */
  canInject(authority: Authority): boolean {
    if (this.#hosts.has('*')) return true
    for (const zone of zonesOf(authority.host)) if (this.#hosts.has(zone)) return true
    return false
  }

  /** A response's fields with placeholders for values, in names too, and the names of the secrets that were found. */
  redactHeaders(headers: HeaderList): { readonly headers: HeaderList; readonly redacted: readonly string[] } {
    return this.#text.redactHeaders(headers)
  }

  /** For a reason phrase and the like; bytes as Latin-1, as in headers. */
  redactText(text: string): string {
    return this.#text.redact(text, new Set())
  }

  /** For one response body, one WebSocket's messages, …: it keeps state between chunks. */
  bodyRedactor(): BodyRedactor {
    return new BodyRedactor(this.#values, this.#replacements)
  }
}

/** By the value's bytes as Latin-1. Where two secrets have the same value, the first rule's placeholder is shown. */
function replacementsFor(bindings: readonly SecretBinding[]): Map<string, Replacement & { readonly value: Buffer }> {
  const replacements = new Map<string, Replacement & { readonly value: Buffer }>()
  for (const { name, placeholder, value } of bindings) {
    for (const { dialect, text } of spellings(value.reveal())) {
      const bytes = Buffer.from(text)
      const key = bytes.toString('latin1')
      if (!replacements.has(key)) replacements.set(key, { name, value: bytes, bytes: encode(placeholder, dialect) })
    }
  }
  return replacements
}

function refuseDuplicates(bindings: readonly SecretBinding[]): void {
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

/** A value inside a placeholder would be redacted into itself; a placeholder inside a value would be injected into. */
function refuseAmbiguous(bindings: readonly SecretBinding[], values: NeedleIndex): void {
  const placeholders = new NeedleIndex(bindings.map(({ placeholder }) => Buffer.from(placeholder)))
  for (const { name, placeholder, value } of bindings) {
    if (values.indexOf(Buffer.from(placeholder)) !== -1)
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
