import { isWithin, type Hostname } from '../../policy/host.ts'
import { hostKey } from './entropy-exempt.ts'
import { shannonEntropy } from './shannon.ts'

export interface UrlChecks {
  readonly check_url_params: boolean
  readonly check_url_path: boolean
  /** Bits a byte. */
  readonly url_threshold: number
  /** Shorter values say too little: `n` bytes have at most log2(n) bits. */
  readonly url_min_value_bytes: number
  /** Parameters of a host and its subdomains that may be random; `*` switches every check of the URL off. */
  readonly host_url_param_allowlist: Readonly<Record<string, readonly string[]>>
}

/** Signatures in the URLs that object stores and CDNs hand out. */
const SIGNED: Readonly<Record<string, readonly string[]>> = {
  'cloudfront.net': ['Policy', 'Signature', 'Key-Pair-Id'],
  'xethub.hf.co': ['Policy', 'Signature', 'Key-Pair-Id', 'X-Amz-Signature', 'X-Amz-Credential'],
  'hf.co': ['Policy', 'Signature', 'Key-Pair-Id'],
  'amazonaws.com': ['X-Amz-Signature', 'X-Amz-Credential', 'X-Amz-Security-Token'],
  'r2.cloudflarestorage.com': ['X-Amz-Signature', 'X-Amz-Credential', 'X-Amz-Security-Token'],
  'storage.googleapis.com': ['X-Goog-Signature'],
  'blob.core.windows.net': ['sig', 'se', 'sp'],
  'githubusercontent.com': ['sig', 'jwt', 'X-Amz-Signature', 'X-Amz-Credential'],
}

/** No signature is longer: what is, is data under a signature's name. */
const LONGEST_SIGNATURE = 2048

/** From here on what the parts of a URL say together is looked at, so that data in many short ones is seen. */
const TOGETHER_BYTES = 512

/** Many ordinary values together use more characters than one alone. */
const TOGETHER_MARGIN = 0.25

const SLASH = 0x2f
const QUESTION = 0x3f
const AMPERSAND = 0x26
const EQUALS = 0x3d

interface Value {
  readonly kind: 'param' | 'name' | 'segment'
  /** The parameter's name. */
  readonly name: string
  readonly bytes: Buffer
}

/** Looks at URLs: the reason why one is suspicious, or undefined. */
export class UrlInspector {
  readonly #settings: UrlChecks
  readonly #allowed: readonly (readonly [Hostname, { readonly names: ReadonlySet<string>; readonly longest: number }])[]

  constructor(settings: UrlChecks) {
    this.#settings = settings
    this.#allowed = [
      ...allowlist(SIGNED, LONGEST_SIGNATURE),
      ...allowlist(settings.host_url_param_allowlist, Number.POSITIVE_INFINITY),
    ]
  }

  /** `path` with its query, as it stands in the request. */
  judge(host: Hostname, path: string): string | undefined {
    // Most URLs end here. Decoding never makes a value longer.
    if (path.length < TOGETHER_BYTES && longestComponent(path) < this.#settings.url_min_value_bytes) return undefined
    const allowed = this.#allowed.filter(([zone]) => isWithin(host, zone)).map(([, rule]) => rule)
    if (allowed.some(({ names }) => names.has('*'))) return undefined
    const values = this.#valuesOf(path).filter(
      ({ kind, name, bytes }) =>
        kind !== 'param' || !allowed.some((rule) => rule.names.has(name.toLowerCase()) && bytes.length <= rule.longest),
    )
    for (const value of values) {
      const entropy = this.#tooHigh(value.bytes, this.#settings.url_min_value_bytes, 0)
      if (entropy !== undefined) return this.#reason(describe(value), entropy)
    }
    const together = this.#tooHigh(Buffer.concat(values.map(({ bytes }) => bytes)), TOGETHER_BYTES, TOGETHER_MARGIN)
    return together === undefined ? undefined : this.#reason('', together)
  }

  #valuesOf(path: string): readonly Value[] {
    const { check_url_params: params, check_url_path: segments } = this.#settings
    const question = path.indexOf('?')
    const [route, query] = question === -1 ? [path, ''] : [path.slice(0, question), path.slice(question + 1)]
    return [...(segments ? segmentsOf(route) : []), ...(params && query !== '' ? paramsOf(query) : [])]
  }

  #tooHigh(bytes: Buffer, minBytes: number, margin: number): number | undefined {
    const threshold = this.#settings.url_threshold + margin
    if (bytes.length < minBytes || Math.log2(bytes.length) < threshold) return undefined
    const entropy = shannonEntropy(bytes)
    return entropy >= threshold ? entropy : undefined
  }

  #reason(what: string, entropy: number): string {
    return `high entropy URL${what}: ${entropy.toFixed(2)} (threshold ${this.#settings.url_threshold.toFixed(1)})`
  }
}

/** The most characters between two separators. */
function longestComponent(path: string): number {
  let longest = 0
  let start = 0
  for (let at = 0; at <= path.length; at++) {
    const unit = at === path.length ? SLASH : path.charCodeAt(at)
    if (unit !== SLASH && unit !== QUESTION && unit !== AMPERSAND && unit !== EQUALS) continue
    longest = Math.max(longest, at - start)
    start = at + 1
  }
  return longest
}

function describe({ kind, name }: Value): string {
  switch (kind) {
    case 'param':
      return ` param '${printable(name)}'`
    case 'name':
      return ' param name'
    case 'segment':
      return ' path segment'
  }
}

/** A name of the workload's choosing, as it may stand in a record. */
function printable(name: string): string {
  const text = name.replace(/[^\x20-\x7e]|'/g, '?')
  return text.length <= 64 ? text : `${text.slice(0, 64)}…`
}

function segmentsOf(route: string): readonly Value[] {
  return route.split('/').map((text) => ({ kind: 'segment', name: '', bytes: percentDecoded(text) }))
}

/** Names are looked at like values: `?DATA` and `?DATA=1` carry as much as `?q=DATA`. */
function paramsOf(query: string): readonly Value[] {
  return query.split('&').flatMap((pair): readonly Value[] => {
    const equals = pair.indexOf('=')
    if (equals === -1) return [{ kind: 'name', name: '', bytes: percentDecoded(pair, true) }]
    const name = percentDecoded(pair.slice(0, equals), true)
    const value = percentDecoded(pair.slice(equals + 1), true)
    return [
      { kind: 'name', name: '', bytes: name },
      { kind: 'param', name: name.toString('latin1'), bytes: value },
    ]
  })
}

/** The bytes that a component stands for (WHATWG URL, "percent-decode"); in a query `+` is a space. */
function percentDecoded(text: string, isQuery = false): Buffer {
  if (!text.includes('%') && !(isQuery && text.includes('+'))) return Buffer.from(text, 'latin1')
  const spaced = isQuery ? text.replaceAll('+', ' ') : text
  return Buffer.from(
    spaced.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

function allowlist(rules: Readonly<Record<string, readonly string[]>>, longest: number) {
  return Object.entries(rules).map(
    ([zone, names]) => [hostKey(zone), { names: new Set(names.map((name) => name.toLowerCase())), longest }] as const,
  )
}
