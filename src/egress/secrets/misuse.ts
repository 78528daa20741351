import type { View } from '../inspect/decode/view.ts'
import { finished, STEP_BYTES, type Steps } from '../inspect/steps.ts'
import { basicCredentials } from './basic-credentials.ts'
import type { SecretBinding } from './binding.ts'
import { canonicalBlocks } from './canonical.ts'
import { alphabetOf, decodedView, type Alphabet } from './decoded-view.ts'
import { LEAST_BYTES } from './forms.ts'
import { NeedleIndex } from './needle-index.ts'
import { mostOf, permissionFor, type Destination, type NamedPorts, type Permission } from './permission.ts'
import type { KnownForms, Needle } from './text-forms.ts'

/** Why a request must not leave. The reason names the secret and the host, never a value. */
export interface Misuse {
  readonly kind: 'placeholder' | 'value'
  readonly name: string
  readonly reason: string
}

/** A text that must not leave, and the secrets that it belongs to: more than one may have the same value. */
export interface Telltale {
  readonly kind: Misuse['kind']
  readonly text: string
  readonly bindings: readonly Pick<SecretBinding, 'name' | 'injectTo'>[]
}

/**
 * Looks for placeholders and real values: as they are, escaped, in base64, in hexadecimal, backwards, cut into pieces.
 * Layers of encodings around them are undone by whoever asks. Two passes over the bytes, whatever the number of secrets.
 */
export class MisuseDetector {
  readonly #exact: NeedleMap
  readonly #canonical: NeedleMap
  readonly #telltales: readonly Telltale[]
  readonly #namesPort: NamedPorts

  constructor(
    telltales: readonly Telltale[],
    { forms, namesPort }: { readonly forms: KnownForms; readonly namesPort: NamedPorts },
  ) {
    this.#telltales = telltales
    this.#namesPort = namesPort
    this.#exact = needleMap(telltales, ({ text }) => forms.of(text).spellings)
    this.#canonical = needleMap(telltales, ({ text }) => forms.of(text).signs)
  }

  /** A search in what goes to one destination; undefined when all of it may go there. */
  searchFor(destination: Destination): MisuseSearch | undefined {
    const judge = (telltale: Telltale): Misuse | undefined => this.#judge(telltale, destination)
    const isFree = this.#telltales.length <= FEW && this.#telltales.every((telltale) => judge(telltale) === undefined)
    return isFree ? undefined : new MisuseSearch(this.#exact, this.#canonical, judge)
  }

  #judge({ kind, bindings }: Telltale, destination: Destination): Misuse | undefined {
    const permissions = bindings.map((binding) => permissionFor(binding, destination, this.#namesPort))
    const permission = mostOf(permissions)
    if (permission === 'granted') return undefined
    const name = bindings[Math.max(0, permissions.indexOf(permission))]?.name ?? ''
    return { kind, name, reason: reasonFor({ kind, name }, permission, destination) }
  }
}

/** Most cages have one secret and one host for it: what goes there need not be searched. */
const FEW = 16

export class MisuseSearch {
  readonly #exact: NeedleMap
  readonly #canonical: NeedleMap
  readonly #judge: (telltale: Telltale) => Misuse | undefined
  readonly #judged = new Map<Telltale, Misuse | undefined>()

  constructor(exact: NeedleMap, canonical: NeedleMap, judge: (telltale: Telltale) => Misuse | undefined) {
    this.#exact = exact
    this.#canonical = canonical
    this.#judge = judge
  }

  in(bytes: Buffer): Misuse | undefined {
    return finished(this.stepsIn(bytes))
  }

  /** The same, with pauses. */
  *stepsIn(bytes: Buffer): Steps<Misuse | undefined> {
    const { longest } = this.#exact.needles
    for (let from = 0; from < bytes.length; from += STEP_BYTES) {
      const misuse = this.#find(this.#exact, bytes.subarray(from, from + STEP_BYTES + longest), STEP_BYTES)
      if (misuse !== undefined) return misuse
      yield Math.min(STEP_BYTES, bytes.length - from)
    }
    const short = this.#findShort(bytes)
    if (short !== undefined || this.#canonical.needles.isEmpty) return short
    for (const block of canonicalBlocks(bytes, Math.max(0, this.#canonical.needles.longest - 1))) {
      const misuse = this.#find(this.#canonical, block)
      if (misuse !== undefined) return misuse
      yield block.length
    }
    return undefined
  }

  /** The same; of a view that is kept it is known whether anything is in it at all. */
  *inView(view: View): Steps<Misuse | undefined> {
    const isKnown = view.isKept && view.found(this.#exact, (kept) => this.#holdsNothing(kept))
    return isKnown ? undefined : yield* this.stepsIn(view.bytes)
  }

  /** Whether there is nothing to look for in it, wherever it may go. */
  #holdsNothing({ bytes }: View): boolean {
    return new MisuseSearch(this.#exact, this.#canonical, () => ANYTHING).in(bytes) === undefined
  }

  /** Basic credentials in a field value, decoded: short values are not looked for in base64. */
  inCredentials(value: string): Misuse | undefined {
    const credentials = basicCredentials(value)
    return credentials && this.in(credentials.bytes)
  }

  /** Short texts have no other form than an escaped one. */
  #findShort(bytes: Buffer): Misuse | undefined {
    const { alphabet } = this.#exact
    if (alphabet === undefined) return undefined
    for (const dialect of ['percent', 'json'] as const) {
      const view = decodedView(bytes, dialect, alphabet)
      const misuse = view && this.#find(this.#exact, view.bytes)
      if (misuse !== undefined) return misuse
    }
    return undefined
  }

  /** Of what begins before `before`. */
  #find(map: NeedleMap, bytes: Buffer, before = bytes.length): Misuse | undefined {
    const { needles } = map
    for (let at = needles.indexOf(bytes); at !== -1 && at < before; at = needles.indexOf(bytes, at + 1)) {
      const misuse = this.#misuseOf(map.telltales[needles.longestAt(bytes, at)] ?? [])
      if (misuse !== undefined) return misuse
    }
    return undefined
  }

  /** What stands for several telltales is misuse only where none of them may go. */
  #misuseOf(telltales: readonly Telltale[]): Misuse | undefined {
    let first: Misuse | undefined
    for (const telltale of telltales) {
      if (!this.#judged.has(telltale)) this.#judged.set(telltale, this.#judge(telltale))
      const misuse = this.#judged.get(telltale)
      if (misuse === undefined) return undefined
      first ??= misuse
    }
    return first
  }
}

const ANYTHING: Misuse = { kind: 'placeholder', name: '', reason: '' }

/** Needles, each with the telltales it stands for. */
interface NeedleMap {
  readonly needles: NeedleIndex
  /** By position in the list of needles. */
  readonly telltales: readonly (readonly Telltale[])[]
  /** The bytes of the short ones, if there are any. */
  readonly alphabet: Alphabet | undefined
}

function needleMap(telltales: readonly Telltale[], needlesOf: (telltale: Telltale) => readonly Needle[]): NeedleMap {
  const byKey = new Map<string, { readonly bytes: Buffer; readonly owners: Telltale[] }>()
  for (const telltale of telltales) {
    for (const { key, bytes } of needlesOf(telltale)) {
      const known = byKey.get(key)
      if (known === undefined) byKey.set(key, { bytes, owners: [telltale] })
      else known.owners.push(telltale)
    }
  }
  const byNeedle = new Map([...byKey.values()].map(({ bytes, owners }) => [bytes, owners]))
  const needles = new NeedleIndex(byNeedle.keys())
  const short = needles.needles.filter(({ length }) => length < LEAST_BYTES)
  return {
    alphabet: short.length === 0 ? undefined : alphabetOf({ needles: short }),
    needles,
    telltales: needles.needles.map((needle) => byNeedle.get(needle) ?? []),
  }
}

/** `permission` is the most that any of the secrets has. */
function reasonFor(
  { kind, name }: Pick<Misuse, 'kind' | 'name'>,
  permission: Exclude<Permission, 'granted'>,
  { authority: { host, port }, method }: Destination,
): string {
  switch (permission) {
    case 'denied':
      return kind === 'placeholder'
        ? `placeholder ${name} sent to unauthorized domain ${host}`
        : `literal secret value ${name} found in outbound request to ${host}`
    case 'unencrypted':
      return `${kind} ${name} would leave unencrypted to ${host}`
    case 'encrypted':
      return `${kind} ${name} sent by https to ${host}, which may have it by http only`
    case 'port':
      return `${kind} ${name} sent to unauthorized port ${port} of ${host}`
    case 'method':
      return `${kind} ${name} sent with unauthorized method ${method} to ${host}`
    case 'path':
      return `${kind} ${name} sent to unauthorized path of ${host}`
  }
}
