import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type SecureContext } from 'node:tls'
import type { AddressGuard } from '../../policy/address.ts'
import { formatAuthority, isAddress, type Authority } from '../../policy/host.ts'
import { Denial } from '../denial.ts'
import { openTunnel, type UpstreamProxy } from './corporate-proxy.ts'
import type { ResolveHost } from './resolver.ts'

/** A destination with its scheme: what a connection, once made, may be used for and nothing else. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
}

export interface DialOptions {
  readonly guard: AddressGuard
  readonly resolve: ResolveHost
  /** `upstream.connect_to`: `host:port` asked for to the one dialled. */
  readonly connectTo: ReadonlyMap<string, Authority>
  readonly proxy: UpstreamProxy | undefined
  /** Trust anchors for upstream certificates. */
  readonly trust: SecureContext
}

const CONNECT_TIMEOUT_MS = 10_000
const TLS_TIMEOUT_MS = 10_000

/** Most addresses of one name that are tried. */
const ADDRESSES = 4

/**
 * Opens a connection to the origin, TLS verified against the origin's own host. The address that is dialled is the one
 * that was checked: a name that resolves differently a moment later (DNS rebinding) changes nothing.
 */
export async function dial(origin: Origin, alpn: readonly string[], options: DialOptions): Promise<Socket> {
  const socket = await dialTransport(origin, options)
  return origin.scheme === 'https' ? secure(socket, origin.authority, alpn, options.trust) : socket
}

async function dialTransport(origin: Origin, options: DialOptions): Promise<Socket> {
  const named = options.connectTo.get(formatAuthority(origin.authority))
  if (named !== undefined) return dialFirst(await options.resolve(named.host), named.port, origin)
  if (options.proxy !== undefined) {
    if (isAddress(origin.authority.host)) permitted([origin.authority.host], origin, options.guard)
    return dialThroughProxy(origin, options.proxy, options)
  }
  const addresses = await options.resolve(origin.authority.host)
  return dialFirst(permitted(addresses, origin, options.guard), origin.authority.port, origin)
}

/** Through a proxy the name is resolved there, out of sight: the operator who names a proxy trusts it with that. */
async function dialThroughProxy(origin: Origin, proxy: UpstreamProxy, options: DialOptions): Promise<Socket> {
  const transport = await dialFirst(await options.resolve(proxy.authority.host), proxy.authority.port, origin)
  const socket =
    proxy.scheme === 'https' ? await secure(transport, proxy.authority, ['http/1.1'], options.trust) : transport
  return origin.scheme === 'https' ? openTunnel(socket, origin.authority, proxy) : socket
}

function permitted(addresses: readonly string[], origin: Origin, guard: AddressGuard): readonly string[] {
  const allowed = addresses.filter((address) => guard.permits(address))
  if (allowed.length > 0) return allowed
  throw new Denial('address_forbidden', `${origin.authority.host} leads to an address that is not allowed`)
}

async function dialFirst(addresses: readonly string[], port: number, origin: Origin): Promise<Socket> {
  let failure: unknown
  for (const address of addresses.slice(0, ADDRESSES)) {
    const socket = connectTcp({ host: address, port, noDelay: true, keepAlive: true })
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) })
      return socket
    } catch (error) {
      socket.destroy()
      failure = error
    }
  }
  throw new Denial('upstream_unreachable', `could not connect to ${formatAuthority(origin.authority)}`, {
    cause: failure,
  })
}

async function secure(
  socket: Socket,
  { host, port }: Authority,
  alpn: readonly string[],
  trust: SecureContext,
): Promise<Socket> {
  const tlsSocket = connectTls({
    socket,
    secureContext: trust,
    ...(isAddress(host) ? {} : { servername: host }),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    ALPNProtocols: [...alpn],
    minVersion: 'TLSv1.2',
  })
  try {
    await once(tlsSocket, 'secureConnect', { signal: AbortSignal.timeout(TLS_TIMEOUT_MS) })
    return tlsSocket
  } catch (error) {
    tlsSocket.destroy()
    socket.destroy()
    throw new Denial('upstream_tls', `TLS with ${formatAuthority({ host, port })} failed${certificateProblem(error)}`, {
      cause: error,
    })
  }
}

/** OpenSSL's name for what is wrong with the certificate: fixed texts, none of them the upstream's. */
function certificateProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(?:ERR_TLS_CERT_ALTNAME_INVALID|[A-Z_]*CERT[A-Z_]*|UNABLE_TO_[A-Z_]+)$/.test(code) ? `: ${code}` : ''
}
