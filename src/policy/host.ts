import { isIPv4, isIPv6 } from 'node:net'

/**
 * A destination's name in the one form that is compared anywhere: lower case, A-labels, no trailing dot;
 * or a dotted-decimal IPv4 address; or an IPv6 address without brackets, compressed as RFC 5952 says.
 */
export type Hostname = string & { readonly __brand: 'Hostname' }

/** Where a request goes. Secrets, certificates and decisions are bound to both parts. */
export interface Authority {
  readonly host: Hostname
  readonly port: number
}

/** One label: LDH plus underscore (used by real names such as `_acme-challenge`), never starting or ending with a hyphen. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** What a URL parser would read as an IPv4 address in disguise: `0x7f.1`, `2130706433`, `127.1` (WHATWG URL, "ends in a number"). */
const ENDS_IN_A_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/

/**
 * Reads a host as it may stand in an authority or a server name: `Example.COM.`, `10.0.0.1`, `[::1]` or `::1`.
 * Returns undefined for whatever is not exactly one host. U-labels are refused: on the wire names are A-labels
 * (RFC 5890), and mapping them here would give two spellings to one identity.
 */
export function parseHostname(text: string): Hostname | undefined {
  if (text.length === 0 || text.length > 255) return undefined
  if (text.startsWith('[')) return text.endsWith(']') ? parseIPv6(text.slice(1, -1)) : undefined
  if (text.includes(':')) return parseIPv6(text)
  const name = lowerCase(text.endsWith('.') ? text.slice(0, -1) : text)
  if (isIPv4(name)) return text.endsWith('.') ? undefined : (name as Hostname)
  if (name.length > 253 || ENDS_IN_A_NUMBER.test(name)) return undefined
  return name.split('.').every((label) => LABEL.test(label)) ? (name as Hostname) : undefined
}

/**
 * Reads `host[:port]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2 without user information).
 * An IPv6 address must be in brackets. `defaultPort` is used when the port is absent; undefined then refuses.
 */
export function parseAuthority(text: string, defaultPort?: number): Authority | undefined {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text)
  if (match?.[1] === undefined) return undefined
  const host = parseHostname(match[1])
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  if (host === undefined || port === undefined || port < 1 || port > 65535) return undefined
  return { host, port }
}

/** `host:port`, with brackets around IPv6. The inverse of `parseAuthority`. */
export function formatAuthority({ host, port }: Authority): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** As it stands in a URL and in Host: without the port where it is the scheme's own. */
export function formatOrigin({ host, port }: Authority, scheme: 'http' | 'https'): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`
}

export function isAddress(host: Hostname): boolean {
  return host.includes(':') || isIPv4(host)
}

/**
 * The host itself and every parent zone, longest first: `a.b.c` gives `a.b.c`, `b.c`, `c`.
 * An address has no parents: `0.0.1` must not match `10.0.0.1`.
 */
export function zonesOf(host: Hostname): readonly Hostname[] {
  const zones = [host]
  if (isAddress(host)) return zones
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    zones.push(host.slice(dot + 1) as Hostname)
  }
  return zones
}

/** Whether `host` is `zone` or lies below it. The only host comparison in agentcage. */
export function isWithin(host: Hostname, zone: Hostname): boolean {
  if (host === zone) return true
  return !isAddress(host) && host.endsWith(zone) && host[host.length - zone.length - 1] === '.'
}

/** ASCII only: `String.prototype.toLowerCase` would turn U+212A KELVIN SIGN into `k`, a second spelling of a name. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32))
}

function parseIPv6(text: string): Hostname | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined
  return new URL(`http://[${text}]/`).hostname.slice(1, -1) as Hostname
}
