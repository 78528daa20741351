import { isWithin, parseHostname, type Hostname } from '../../policy/host.ts'
import type { BodyPart } from './decode/body-parts.ts'
import { sampleOf, verifyType } from './content-type-signatures.ts'

export interface ExemptTypes {
  /** Media types everywhere, as prefixes. */
  readonly exempt_content_types: readonly string[]
  /** Media types for a host and its subdomains, as prefixes; `*` is every type, unverified. */
  readonly host_exempt_content_types: Readonly<Record<string, readonly string[]>>
}

const ARCHIVES = [
  'application/octet-stream',
  'application/zip',
  'application/gzip',
  'application/x-gzip',
  'application/x-tar',
  'application/zstd',
]

/** Where packages, images and releases are published: archives go there, verified like every exempt type. */
const PUBLISHING: Readonly<Record<string, readonly string[]>> = {
  'upload.pypi.org': ARCHIVES,
  'test.pypi.org': ARCHIVES,
  'registry.npmjs.org': ARCHIVES,
  'npm.pkg.github.com': ARCHIVES,
  'uploads.github.com': ARCHIVES,
  'ghcr.io': ARCHIVES,
  'registry-1.docker.io': ARCHIVES,
  'crates.io': ARCHIVES,
  'rubygems.org': ARCHIVES,
}

/**
 * Which bodies may be random. A media type is a claim, not a licence: a type whose signature is known is exempt only
 * where the bytes have it. A type that is not known is taken at its word, for somebody wrote it into the configuration.
 */
export class Exemptions {
  readonly #everywhere: readonly string[]
  readonly #byHost: readonly (readonly [Hostname, readonly string[]])[]

  constructor({ exempt_content_types: everywhere, host_exempt_content_types: byHost }: ExemptTypes) {
    this.#everywhere = everywhere.map((type) => type.toLowerCase())
    this.#byHost = [...Object.entries(PUBLISHING), ...Object.entries(byHost)].map(([zone, types]) => [
      hostKey(zone),
      types.map((type) => type.toLowerCase()),
    ])
  }

  isExempt(host: Hostname, { type, bytes }: BodyPart): boolean {
    const forHost = this.#byHost.flatMap(([zone, types]) => (isWithin(host, zone) ? types : []))
    if (forHost.includes('*')) return true
    const listed = [...this.#everywhere, ...forHost].some((prefix) => prefix !== '' && type.startsWith(prefix))
    return listed && (verifyType(type, sampleOf(bytes)) ?? true)
  }
}

/** A host as the configuration names it, which was checked when it was read. */
export function hostKey(text: string): Hostname {
  const host = parseHostname(text)
  if (host === undefined) throw new TypeError('a host in the configuration was not checked')
  return host
}
