import { Denial } from '../denial.ts'
import { formatAuthority, isAddress, parseAuthority, type Authority, type Hostname } from '../../policy/host.ts'

/**
 * What a client connection fixed before its first request. DESIGN: CONNECT, SNI and Host must name one destination;
 * whatever is known here binds every request on the connection.
 */
export interface Route {
  /** `published`: somebody outside asks the workload; the destination is its port, whatever Host the client names. */
  readonly via: 'proxy' | 'connect' | 'socks5' | 'transparent' | 'published'
  readonly scheme: 'http' | 'https'
  /** The destination that CONNECT, SOCKS or the server name fixed. Absent: each request names its own. */
  readonly authority?: Authority
  /** The port the connection was meant for, where no authority is fixed (a transparent HTTP connection). */
  readonly port?: number
  /** Set when the connection itself contradicts itself: CONNECT to one host, a server name of another. */
  readonly conflict?: { readonly tunnel: Authority; readonly serverName: Hostname }
}

/** A request's destination and what is asked of it. */
export interface Destination {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  /** Path and query, starting with `/`; `*` for a server-wide OPTIONS. */
  readonly path: string
  /** Host as the client named it, where that is another than the authority: of a published port. */
  readonly named?: string
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)([^#]*)$/i

/**
 * Where a request goes, if all that names its destination agrees (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
 * Throws a Denial: `bad_request` when it cannot be read as exactly one destination (the attack is a front end and a
 * back end that pick different ones), `authority_mismatch` when two parts name different ones (domain fronting).
 */
export function resolveDestination(route: Route, target: string, hosts: readonly string[]): Destination {
  if (route.conflict !== undefined) {
    const { serverName, tunnel } = route.conflict
    throw mismatch(`SNI ${serverName}`, formatAuthority(tunnel), resolvedByClient(route, tunnel, serverName))
  }
  if (route.via === 'published') return publishedDestination(route, target, hosts)
  const absolute = ABSOLUTE.exec(target)
  if (absolute === null && route.via === 'proxy') {
    throw new Denial(
      'bad_request',
      'this is a proxy: the request target must be an absolute http:// URL, or use CONNECT',
    )
  }
  const scheme = absolute === null ? route.scheme : (absolute[1] as string).toLowerCase() === 'https' ? 'https' : 'http'
  if (absolute !== null && route.via !== 'proxy' && scheme !== route.scheme) {
    throw new Denial('bad_request', `the request target says ${scheme}, the connection is ${route.scheme}`)
  }
  const defaultPort = scheme === 'https' ? 443 : 80
  const named = namedAuthority(absolute?.[2], hosts, { defaultPort, fixed: route.authority?.host })
  const bound = route.authority ?? { host: named.host, port: route.port ?? named.port }
  if (named.host !== bound.host || named.port !== bound.port) {
    const hint = resolvedByClient(route, bound, named.host)
    throw mismatch(`SNI ${formatIfOdd(bound, defaultPort)}`, formatIfOdd(named, defaultPort), hint)
  }
  return { scheme, authority: bound, path: requestPath(absolute === null ? target : (absolute[3] as string)) }
}

/** Host is what the client calls us, and the workload's server may want to know: it is passed on, and decides nothing. */
function publishedDestination({ scheme, authority }: Route, target: string, hosts: readonly string[]): Destination {
  if (authority === undefined) throw new TypeError('a published port leads to one destination')
  const { host, port } = namedAuthority(undefined, hosts, { defaultPort: 80 })
  return { scheme, authority, path: requestPath(target), named: formatIfOdd({ host, port }, 80) }
}

/** The one authority that the target and the Host fields name. */
function namedAuthority(inTarget: string | undefined, hosts: readonly string[], terms: Terms): Authority {
  const { defaultPort } = terms
  const texts = inTarget === undefined ? hosts : [inTarget, ...hosts]
  if (hosts.length !== 1)
    throw new Denial('bad_request', `a request must have exactly one Host, this one has ${hosts.length}`)
  const [first, ...others] = texts.map((text) => {
    const authority = readAuthority(text, terms)
    if (authority === undefined)
      throw new Denial('bad_request', 'the Host is not a host name or address with an optional port')
    return authority
  })
  if (first === undefined) throw new Denial('bad_request', 'the request names no host')
  for (const other of others) {
    if (other.host !== first.host || other.port !== first.port) {
      throw mismatch(`request target ${formatIfOdd(first, defaultPort)}`, formatIfOdd(other, defaultPort))
    }
  }
  return first
}

interface Terms {
  readonly defaultPort: number
  /** The host that the connection is for, if it is for one. */
  readonly fixed?: Hostname | undefined
}

/** Most clients name the host as it is known: a name in normal form is read as itself. */
function readAuthority(text: string, { defaultPort, fixed }: Terms): Authority | undefined {
  if (fixed !== undefined && text === fixed && !text.includes(':')) return { host: fixed, port: defaultPort }
  return parseAuthority(text, defaultPort)
}

function requestPath(text: string): string {
  if (text === '*') return text
  const path = text === '' || text.startsWith('?') ? `/${text}` : text
  if (!/^\/[\x21-\x22\x24-\x7e\x80-\xff]*$/.test(path))
    throw new Denial('bad_request', 'the request target is malformed')
  return path
}

/** A tunnel to an address for a host with a name: its client asked DNS by itself, which many do unless told otherwise. */
function resolvedByClient({ via }: Route, tunnel: Authority, named: Hostname): string {
  if (!isAddress(tunnel.host) || isAddress(named)) return ''
  const mend = via === 'socks5' ? 'write socks5h:// for socks5://' : 'ask the proxy for the name'
  return ` (the client looked up the address itself: ${mend})`
}

function mismatch(bound: string, named: string, hint = ''): Denial {
  return new Denial('authority_mismatch', `SNI/Host header mismatch: ${bound}, Host ${named}${hint}`)
}

/** With its port only where that is not the scheme's own, as clients write it. */
function formatIfOdd(authority: Authority, defaultPort: number): string {
  return authority.port === defaultPort ? authority.host : formatAuthority(authority)
}
