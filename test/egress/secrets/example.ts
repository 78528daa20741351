import type { SecretTarget } from '../../../src/config/schema.ts'
import { parseAuthority, type Authority } from '../../../src/policy/host.ts'
import type { OutboundRequest, SecretBinding } from '../../../src/egress/secrets/binding.ts'
import { ContentViews } from '../../../src/egress/inspect/decode/content-views.ts'
import type { Misuse } from '../../../src/egress/secrets/misuse.ts'
import type { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import { Secret } from '../../../src/secrets/secret.ts'

export const PLACEHOLDER = 'agentcage:secret:API_KEY:00112233445566778899aabbccddeeff'

/** Has what needs escaping in JSON, in URLs and in forms. */
export const VALUE = 'sk-live "q\\uote" a&b=c#d+e/f?g%41é'

interface BindingOptions {
  readonly name?: string
  readonly placeholder?: string
  readonly value?: string
  readonly injectTo?: readonly (string | { readonly [key in keyof SecretTarget]: unknown })[]
  readonly injectHeaders?: readonly string[]
  readonly injectBody?: boolean
}

/** Put in everywhere unless the options say otherwise. */
export function binding(options: BindingOptions): SecretBinding {
  const { name = 'API_KEY', placeholder = PLACEHOLDER, value = VALUE, injectTo = ['api.test'] } = options
  return {
    name,
    placeholder: placeholder as Placeholder,
    value: new Secret(name, value),
    injectTo: injectTo.map((target) => (typeof target === 'string' ? { host: target } : target) as SecretTarget),
    injectHeaders: new Set(options.injectHeaders),
    injectBody: options.injectBody ?? true,
  }
}

export function authority(text: string, defaultPort = 443): Authority {
  const parsed = parseAuthority(text, defaultPort)
  if (parsed === undefined) throw new TypeError(`not an authority: ${text}`)
  return parsed
}

/** A GET over TLS to `to`, its default port unless it names one, with nothing in it but what is given. */
export function request(to: string, parts: Partial<Omit<OutboundRequest, 'authority'>> = {}): OutboundRequest {
  const target = parts.target ?? '/'
  const head = { scheme: 'https', method: 'GET', path: target, headers: ['Host', to] } as const
  return {
    ...head,
    body: Buffer.alloc(0),
    ...parts,
    target,
    authority: authority(to, parts.scheme === 'http' ? 80 : 443),
  }
}

/** What is found in a request that must not leave, by all that the inspectors can see of it. */
export function misuse(secrets: SecretSet, outgoing: OutboundRequest): Misuse | undefined {
  const search = secrets.misuse(outgoing)
  const { authority: to, target: path, headers, body } = outgoing
  const views = new ContentViews({ host: to.host, path, headers, contentType: '', contentEncoding: '', body })
  const inCredentials = headers.map((value) => search?.inCredentials(value)).find((found) => found !== undefined)
  return inCredentials ?? [...views].map(({ bytes }) => search?.in(bytes)).find((found) => found !== undefined)
}

/** The bytes of a UTF-8 text as they stand in a header: one Latin-1 character each. */
export function onTheWire(text: string): string {
  return Buffer.from(text).toString('latin1')
}

export function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

/** Cuts `bytes` at each of `cuts` (any numbers, taken modulo the length). */
export function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const positions = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...positions].map((start, i) => bytes.subarray(start, positions[i] ?? bytes.length))
}
