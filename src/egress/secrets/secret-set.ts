import { zonesOf, type Authority, type Hostname } from '../../policy/host.ts'
import type { Secret } from '../../secrets/secret.ts'
import type { HeaderList } from '../http/headers.ts'
import { refuseAmbiguous, refuseDuplicates } from './ambiguity.ts'
import type { OutboundRequest, ProtectedValue, SecretBinding } from './binding.ts'
import { BodyRedactor } from './body-redactor.ts'
import { NO_GUARDS, type GuardedPlaceholder, type Guards } from './guards.ts'
import { Injector, type Injectable, type Injection } from './injector.ts'
import { keptWithin } from './kept-values.ts'
import { MisuseDetector, type MisuseSearch, type Telltale } from './misuse.ts'
import type { Destination, NamedPorts } from './permission.ts'
import { redactionOf, withoutPauses, type Redaction } from './redaction.ts'
import { KnownForms } from './text-forms.ts'
import { TextRedactor } from './text-redactor.ts'

export interface SecretSetOptions {
  /** Whether the policy names this very port for a host; then a secret for the host may go there. */
  readonly namesPort?: NamedPorts
  /** The set that was in force until now: values that it knew and this one does not stay secret. */
  readonly before?: SecretSet | undefined
  /** What transforms have to do with. */
  readonly guards?: Guards
  readonly clock?: () => Date
  /** Told when values are no longer kept secret. */
  readonly log?: (message: string) => void
}

/**
 * Everything the egress does with secrets, prepared once for a configuration: it finds misuse in what leaves, puts real
 * values in at the last moment, and takes them out of what comes back.
 * Order for a request: inspectors, the one for misuse among them, `inject`, send.
 */
export class SecretSet {
  readonly #bindings: readonly SecretBinding[]
  readonly #guards: Guards
  readonly #namesPort: NamedPorts
  readonly #hosts: ReadonlySet<Hostname | '*'>
  /** Whether a value may have become part of a content, which its host can store and another can serve. */
  readonly #isStorable: boolean
  readonly #injector: Injector
  readonly #clock: () => Date
  readonly #log: (message: string) => void
  readonly #forms = new KnownForms()
  /** Values of before, and those that came while the set was in force; the oldest first. */
  #kept: readonly ProtectedValue[]
  #misuse: MisuseDetector
  #redaction: Redaction
  #unpaced: Redaction
  #text: TextRedactor

  /**
   * Throws CageError `secret_invalid` when values and placeholders cannot be told apart, and when there are too many values
   * that were secret before and may still count.
   */
  constructor(
    bindings: readonly SecretBinding[],
    {
      namesPort = () => false,
      before,
      guards = NO_GUARDS,
      clock = () => new Date(),
      log = () => {},
    }: SecretSetOptions = {},
  ) {
    const injectable = [...bindings, ...guards.placeholders.flatMap(injectableOf)]
    this.#bindings = bindings
    this.#guards = guards
    this.#namesPort = namesPort
    this.#hosts = new Set(injectable.flatMap(({ injectTo }) => injectTo.map(({ host }) => host)))
    this.#isStorable = (before !== undefined && before.#isStorable) || injectable.some(({ injectBody }) => injectBody)
    this.#clock = clock
    this.#log = log
    this.#kept = before === undefined ? [] : this.#within(retired(before, bindings, guards))
    refuseDuplicates(this.placeholders)
    refuseAmbiguous(this.placeholders, this.values)
    this.#injector = new Injector(injectable, namesPort)
    this.#misuse = this.#detector()
    this.#redaction = redactionOf(this.values, this.#forms)
    this.#unpaced = withoutPauses(this.#redaction)
    this.#text = new TextRedactor(this.#redaction)
  }

  get isEmpty(): boolean {
    const { values, placeholders } = this.#guards
    return this.#bindings.length + this.#kept.length + values.length + placeholders.length === 0
  }

  /** All values that are kept from the workload: those of the bindings first. */
  get values(): readonly ProtectedValue[] {
    return [...this.#bindings, ...this.#guards.values, ...this.#kept]
  }

  /** What the workload holds, and where it may send that. */
  get placeholders(): readonly Pick<SecretBinding, 'name' | 'placeholder' | 'injectTo'>[] {
    return [...this.#bindings, ...this.#guards.placeholders]
  }

  /**
   * Keeps one more value from the workload and from hosts other than its own, from now on: a token that was minted or
   * that a server gave. It counts for bodies of which nothing was seen yet. Throws CageError `secret_invalid`, and
   * nothing has changed, when it and a placeholder cannot be told apart, or when there is no room for it.
   */
  protect(value: ProtectedValue): void {
    if (value.value.reveal() === '') throw new TypeError(`the value of ${value.name} is empty`)
    const known = this.values.find((other) => isSame(other, value))
    if (known !== undefined) {
      // Only when it ends may be news: what was said last counts.
      this.#kept = this.#kept.map((other) => (other === known ? { ...other, expiresAt: value.expiresAt } : other))
      return
    }
    refuseAmbiguous(this.placeholders, [value])
    this.#kept = this.#within([...this.#kept, value])
    this.#misuse = this.#detector()
    this.#redaction = redactionOf(this.values, this.#forms)
    this.#unpaced = withoutPauses(this.#redaction)
    this.#text = new TextRedactor(this.#redaction)
  }

  /**
   * A search for placeholders and real values that must not go to this destination; undefined when there are none.
   * What it finds must not leave.
   */
  misuse(destination: Destination): MisuseSearch | undefined {
    return this.isEmpty ? undefined : this.#misuse.searchFor(destination)
  }

  /**
   * The request with real values for placeholders; what holds none is returned as it came, identical.
   * `Content-Length` follows the body. Throws InjectionRefused when a value cannot stand where its placeholder does.
   * `made`: values of transforms, by the names of their placeholders.
   */
  inject(request: OutboundRequest, made?: ReadonlyMap<string, Secret>): Injection {
    const { target, headers, body } = request
    return this.canInject(request.authority)
      ? this.#injector.inject(request, made)
      : { target, headers, body, injected: [], left: [], missing: [] }
  }

  /** Whether any secret may go to this host. */
  canInject(authority: Authority): boolean {
    if (this.#hosts.has('*')) return true
    for (const zone of zonesOf(authority.host)) if (this.#hosts.has(zone)) return true
    return false
  }

  /**
   * Whether this host may serve content with a value in it: then a byte range of its answer could cut the value where no
   * redactor finds it. A value that is put in bodies may be stored by its host and served by any other; one that is put in
   * credentials only is expected back from where it was sent.
   */
  mayServe(authority: Authority): boolean {
    return this.#isStorable || this.canInject(authority)
  }

  /** A response's fields with placeholders for values, in names too, and the names of the secrets that were found. */
  redactHeaders(headers: HeaderList): { readonly headers: HeaderList; readonly redacted: readonly string[] } {
    return this.#text.redactHeaders(headers)
  }

  /** For a reason phrase and the like; bytes as Latin-1, as in headers. */
  redactText(text: string): string {
    return this.#text.redact(text, new Set())
  }

  /**
   * For one response body: it keeps state between chunks. `pauses`: the body may pause at a line end for as long as it
   * likes, as events do; a line end close behind the start of a value then ends it, so that nothing waits for the next.
   */
  bodyRedactor({ pauses = true }: { readonly pauses?: boolean } = {}): BodyRedactor {
    return new BodyRedactor(pauses ? this.#redaction : this.#unpaced)
  }

  #within(values: readonly ProtectedValue[]): readonly ProtectedValue[] {
    const { kept, dropped } = keptWithin(values, this.#clock().getTime())
    const names = [...new Set(dropped.map(({ name }) => name))]
    if (dropped.length > 0)
      this.#log(`${dropped.length} tokens that have ended are no longer looked for, to make room: ${names.join(', ')}`)
    return kept
  }

  #detector(): MisuseDetector {
    const telltales = telltalesOf(this.placeholders, this.values)
    this.#forms.keepOnly(new Set(telltales.map(({ text }) => text)))
    return new MisuseDetector(telltales, { forms: this.#forms, namesPort: this.#namesPort })
  }
}

function injectableOf({ name, placeholder, injection }: GuardedPlaceholder): readonly Injectable[] {
  return injection === undefined ? [] : [{ name, placeholder, ...injection, value: undefined }]
}

/** What the set before knew and the new bindings do not: shown and allowed as the binding of its name, if there is one. */
function retired(before: SecretSet, bindings: readonly SecretBinding[], guards: Guards): readonly ProtectedValue[] {
  const present = [...bindings, ...guards.values]
  return before.values
    .filter((known) => !present.some((value) => isSame(known, value)))
    .map((known) => {
      const heir = bindings.find(({ name }) => name === known.name)
      return { ...known, placeholder: heir?.placeholder ?? known.placeholder, injectTo: heir?.injectTo ?? [] }
    })
}

function isSame(one: ProtectedValue, other: ProtectedValue): boolean {
  return one.name === other.name && one.value.reveal() === other.value.reveal()
}

function telltalesOf(
  placeholders: readonly Pick<SecretBinding, 'name' | 'placeholder' | 'injectTo'>[],
  values: readonly ProtectedValue[],
): readonly Telltale[] {
  const byValue = Map.groupBy(values, ({ value }) => value.reveal())
  return [
    ...placeholders.map((owner) => ({ kind: 'placeholder', text: owner.placeholder, bindings: [owner] }) as const),
    ...[...byValue].map(([text, owners]) => ({ kind: 'value', text, bindings: owners }) as const),
  ]
}
