import type { OutboundRequest, SecretBinding } from './binding.ts'
import { basicCredentials } from './basic-credentials.ts'
import { alphabetOf, decodedView, type Alphabet } from './decoded-view.ts'
import { spellings } from './dialect.ts'
import { NeedleIndex } from './needle-index.ts'
import { mostOf, permissionFor, type Destination, type NamedPorts, type Permission } from './permission.ts'

/** Why a request must not leave. The reason names the secret and the host, never a value. */
export interface Misuse {
  readonly kind: 'placeholder' | 'value'
  readonly name: string
  readonly reason: string
}

/** What a needle gives away, and for whom: more than one secret may have the same value. */
interface Telltale {
  readonly kind: Misuse['kind']
  readonly bindings: SecretBinding[]
}

/**
 * Looks for placeholders and real values in all of a request: as sent, percent-decoded, with JSON escapes resolved, and
 * inside Basic credentials. One pass over the bytes when there are no escapes.
 */
export class MisuseDetector {
  readonly #needles: NeedleIndex
  readonly #telltales: readonly Telltale[]
  readonly #alphabet: Alphabet
  readonly #namesPort: NamedPorts

  constructor(bindings: readonly SecretBinding[], namesPort: NamedPorts) {
    const telltales = telltalesFor(bindings)
    this.#needles = new NeedleIndex([...telltales.keys()].map((key) => Buffer.from(key, 'latin1')))
    this.#telltales = this.#needles.needles.map((needle) => telltales.get(needle.toString('latin1')) as Telltale)
    this.#alphabet = alphabetOf(this.#needles)
    this.#namesPort = namesPort
  }

  find(request: OutboundRequest): Misuse | undefined {
    const { authority, target, headers, body } = request
    // NUL stands in no field and in no value, so nothing is found across two fields.
    const head = Buffer.from(`${authority.host}\0${target}\0${headers.join('\0')}`, 'latin1')
    return this.#inDecoded(head, request) ?? this.#inBasicCredentials(request) ?? this.#inDecoded(body, request)
  }

  #inBasicCredentials(request: OutboundRequest): Misuse | undefined {
    for (const value of request.headers) {
      const credentials = basicCredentials(value)
      const misuse = credentials && this.#inDecoded(credentials.bytes, request)
      if (misuse !== undefined) return misuse
    }
    return undefined
  }

  #inDecoded(bytes: Buffer, destination: Destination): Misuse | undefined {
    const misuse = this.#in(bytes, destination)
    if (misuse !== undefined) return misuse
    for (const dialect of ['percent', 'json'] as const) {
      const view = decodedView(bytes, dialect, this.#alphabet)
      const found = view && this.#in(view.bytes, destination)
      if (found !== undefined) return found
    }
    return undefined
  }

  #in(bytes: Buffer, destination: Destination): Misuse | undefined {
    for (let at = this.#needles.indexOf(bytes); at !== -1; at = this.#needles.indexOf(bytes, at + 1)) {
      const misuse = this.#judge(this.#telltales[this.#needles.longestAt(bytes, at)] as Telltale, destination)
      if (misuse !== undefined) return misuse
    }
    return undefined
  }

  #judge({ kind, bindings }: Telltale, destination: Destination): Misuse | undefined {
    const permissions = bindings.map((binding) => permissionFor(binding, destination, this.#namesPort))
    const permission = mostOf(permissions)
    if (permission === 'granted') return undefined
    const { name } = bindings[permissions.indexOf(permission)] as SecretBinding
    return { kind, name, reason: reasonFor({ kind, name }, permission, destination) }
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
    case 'port':
      return `${kind} ${name} sent to unauthorized port ${port} of ${host}`
    case 'method':
      return `${kind} ${name} sent with unauthorized method ${method} to ${host}`
    case 'path':
      return `${kind} ${name} sent to unauthorized path of ${host}`
  }
}

/** By the needle's bytes as Latin-1. */
function telltalesFor(bindings: readonly SecretBinding[]): Map<string, Telltale> {
  const telltales = new Map<string, Telltale>()
  const add = (text: string, kind: Telltale['kind'], binding: SecretBinding): void => {
    const key = Buffer.from(text).toString('latin1')
    const telltale = telltales.get(key)
    if (telltale === undefined) telltales.set(key, { kind, bindings: [binding] })
    else if (telltale.kind === kind) telltale.bindings.push(binding)
  }
  for (const binding of bindings) {
    add(binding.placeholder, 'placeholder', binding)
    for (const { text } of spellings(binding.value.reveal())) add(text, 'value', binding)
  }
  return telltales
}
