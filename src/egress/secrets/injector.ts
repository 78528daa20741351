import { FRAMING_FIELDS, isCredentialField } from '../../policy/credential-fields.ts'
import type { HeaderList } from '../http/headers.ts'
import type { Secret } from '../../secrets/secret.ts'
import { basicCredentials } from './basic-credentials.ts'
import type { OutboundRequest, ProtectedValue, SecretBinding } from './binding.ts'
import { alphabetOf, decodedView, type Alphabet, type DecodedView } from './decoded-view.ts'
import { dialectOf, encode, type Dialect } from './dialect.ts'
import { NeedleIndex } from './needle-index.ts'
import { permissionFor, type Destination, type NamedPorts } from './permission.ts'

export interface Injection {
  readonly target: string
  readonly headers: HeaderList
  readonly body: Buffer
  /** Names of the secrets that were put in, each once. */
  readonly injected: readonly string[]
  /** Names of those whose placeholders the destination may have filled, but not where they stand: they stay. */
  readonly left: readonly string[]
  /** Names of those whose placeholders wait for a value that has to be made first. */
  readonly missing: readonly string[]
  /** Signatures that were made for this request; its response must not show them. */
  readonly signatures?: readonly ProtectedValue[]
}

/** A secret to put in. `value` undefined: made when it is needed, and given with the request. */
export type Injectable = Omit<SecretBinding, 'value' | 'transform'> & { readonly value: Secret | undefined }

const NOTHING_MADE: ReadonlyMap<string, Secret> = new Map()

/** A value cannot stand where its placeholder does; the request must be denied. Never holds the value. */
export class InjectionRefused extends Error {
  override readonly name = 'InjectionRefused'
  readonly secret: string

  constructor(secret: string, message: string) {
    super(message)
    this.secret = secret
  }
}

/** Puts real values in the place of placeholders. Nothing but the placeholders is touched. */
export class Injector {
  readonly #placeholders: NeedleIndex
  readonly #bindings: readonly Injectable[]
  readonly #alphabet: Alphabet
  readonly #namesPort: NamedPorts

  constructor(bindings: readonly Injectable[], namesPort: NamedPorts) {
    const byPlaceholder = new Map(bindings.map((binding) => [binding.placeholder as string, binding]))
    this.#placeholders = new NeedleIndex(bindings.map(({ placeholder }) => Buffer.from(placeholder)))
    this.#bindings = this.#placeholders.needles.map((needle) => byPlaceholder.get(needle.toString()) as Injectable)
    this.#alphabet = alphabetOf(this.#placeholders)
    this.#namesPort = namesPort
  }

  /** Secrets that the destination may not have, or not in this place, are left as placeholders. `made` is by name. */
  inject(request: OutboundRequest, made: ReadonlyMap<string, Secret> = NOTHING_MADE): Injection {
    const found: Found = { injected: new Set(), left: new Set(), missing: new Set() }
    const anywhere: Task = { request, found, made, isPlaceOf: ({ injectBody }) => injectBody }
    const target = this.#injectText(request.target, 'percent', anywhere)
    const headers = this.#injectHeaders(request.headers, anywhere)
    const body = this.#injectBody(request, anywhere)
    return {
      target,
      headers: body.length === request.body.length ? headers : withContentLength(headers, body.length),
      body,
      injected: [...found.injected],
      left: [...found.left],
      missing: [...found.missing],
    }
  }

  /** Escapes and base64 only make a placeholder longer: a value that is shorter than all of them holds none. */
  #injectHeaders(headers: HeaderList, task: Task): HeaderList {
    const { shortest } = this.#placeholders
    const changed = headers.map((text, position) => {
      if (position % 2 === 0 || text.length < shortest) return text
      const name = (headers[position - 1] as string).toLowerCase()
      return FRAMING_FIELDS.has(name) ? text : this.#injectField(text, { ...task, isPlaceOf: placesOfField(name) })
    })
    return changed.some((text, position) => text !== headers[position]) ? changed : headers
  }

  #injectField(text: string, task: Task): string {
    const credentials = basicCredentials(text)
    const bytes = credentials && this.#replace(credentials.bytes, 'raw', task)
    if (credentials !== undefined && bytes !== undefined && bytes !== credentials.bytes) return credentials.with(bytes)
    // Also after `Basic`: a placeholder may stand for the whole of the credentials.
    return this.#injectText(text, 'raw', { ...task, isField: true })
  }

  #injectBody(request: OutboundRequest, task: Task): Buffer {
    if (request.body.length === 0) return request.body
    return this.#replace(request.body, dialectOf(valueOfField(request.headers, 'content-type'), request.body), task)
  }

  #injectText(text: string, dialect: Dialect, task: Task): string {
    if (text.length < this.#placeholders.shortest) return text
    const bytes = Buffer.from(text, 'latin1')
    const replaced = this.#replace(bytes, dialect, task)
    return replaced === bytes ? text : replaced.toString('latin1')
  }

  /** Placeholders as they are, then those that the dialect's escapes hide. The same buffer when there are none. */
  #replace(bytes: Buffer, dialect: Dialect, task: Task): Buffer {
    const plain = this.#replaceSeen(bytes, { bytes, sourceOffset: (offset) => offset }, dialect, task)
    const view = decodedView(plain, dialect, this.#alphabet)
    return view === undefined ? plain : this.#replaceSeen(plain, view, dialect, task)
  }

  #replaceSeen(bytes: Buffer, view: DecodedView, dialect: Dialect, task: Task): Buffer {
    const parts: Buffer[] = []
    let copied = 0
    let at = this.#placeholders.indexOf(view.bytes)
    while (at !== -1) {
      const found = this.#placeholders.longestAt(view.bytes, at)
      const end = at + (this.#placeholders.needles[found] as Buffer).length
      const binding = this.#bindings[found] as Injectable
      const value = this.#mayStand(binding, task) ? valueFor(binding, task) : undefined
      if (value !== undefined) {
        parts.push(bytes.subarray(copied, view.sourceOffset(at)), written(binding, value, { dialect, task }))
        copied = view.sourceOffset(end)
      }
      at = this.#placeholders.indexOf(view.bytes, end)
    }
    return parts.length === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(copied)])
  }

  #mayStand(binding: Injectable, { request, isPlaceOf, found }: Task): boolean {
    if (permissionFor(binding, request, this.#namesPort) !== 'granted') return false
    if (isPlaceOf(binding)) return true
    found.left.add(binding.name)
    return false
  }
}

interface Found {
  readonly injected: Set<string>
  readonly left: Set<string>
  readonly missing: Set<string>
}

interface Task {
  readonly request: Destination
  readonly found: Found
  /** Values by the names of their secrets. */
  readonly made: ReadonlyMap<string, Secret>
  /** Whether this is a place in which the binding's placeholder is replaced. */
  readonly isPlaceOf: (binding: Injectable) => boolean
  /** The bytes become a field value. */
  readonly isField?: true
}

function placesOfField(name: string): Task['isPlaceOf'] {
  if (isCredentialField(name)) return () => true
  return ({ injectBody, injectHeaders }) => injectBody || injectHeaders.has(name)
}

/** Undefined when it has to be made first. */
function valueFor({ name, value }: Injectable, { made, found }: Task): Secret | undefined {
  const present = value ?? made.get(name)
  if (present === undefined) found.missing.add(name)
  return present
}

function written(
  binding: Injectable,
  secret: Secret,
  { dialect, task: { found, isField } }: { readonly dialect: Dialect; readonly task: Task },
): Buffer {
  const value = encode(secret.reveal(), dialect)
  // RFC 9110 section 5.5: a line break would end the field and begin another (header injection, request smuggling).
  if (isField === true && value.some((byte) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f)) {
    throw new InjectionRefused(
      binding.name,
      `secret ${binding.name} holds a control character, which cannot stand in a header`,
    )
  }
  found.injected.add(binding.name)
  return value
}

function valueOfField(headers: HeaderList, name: string): string {
  const position = headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
  return position === -1 ? '' : (headers[position + 1] as string)
}

function withContentLength(headers: HeaderList, length: number): HeaderList {
  return headers.map((text, position) =>
    position % 2 === 1 && (headers[position - 1] as string).toLowerCase() === 'content-length' ? String(length) : text,
  )
}
