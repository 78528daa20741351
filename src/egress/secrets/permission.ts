import type { SecretTarget } from '../../config/schema.ts'
import { isWithin, type Authority } from '../../policy/host.ts'
import { isPathWithin } from '../../policy/path.ts'
import type { SecretBinding } from './binding.ts'

/** Where a request goes, what it is, and whether it is protected on the way. WebSocket: `https` for wss, `http` for ws. */
export interface Destination {
  readonly authority: Authority
  readonly scheme: 'http' | 'https'
  /** For messages that of the request that opened the stream. */
  readonly method: string
  /** Path and query, starting with `/`; for messages that of the request that opened the stream. */
  readonly path: string
}

/** Whether the policy names this very port for a host: then a secret for the host may go there. */
export type NamedPorts = (authority: Authority) => boolean

/**
 * `denied`: the host may not have the secret. The others name what is missing for a host that may have it;
 * `unencrypted`: not over a connection that anybody on the way can read; `encrypted`: only over such a one.
 */
export type Permission = (typeof FROM_LEAST)[number]

const FROM_LEAST = ['denied', 'encrypted', 'unencrypted', 'port', 'method', 'path', 'granted'] as const

/**
 * Whether a binding's secret may go to a destination, by the entry of `inject_to` that comes nearest. Without TLS only an
 * entry that says so counts: the scheme is the workload's choice, and whoever sits on the way reads what it sends.
 */
export function permissionFor(
  { injectTo }: Pick<SecretBinding, 'injectTo'>,
  destination: Destination,
  namesPort: NamedPorts,
): Permission {
  let most: Permission = 'denied'
  for (const target of injectTo) {
    const permission = byTarget(target, destination, namesPort)
    if (permission === 'granted') return permission
    if (FROM_LEAST.indexOf(permission) > FROM_LEAST.indexOf(most)) most = permission
  }
  return most
}

/** The one that comes nearest to being granted; `denied` when there is none. */
export function mostOf(permissions: readonly Permission[]): Permission {
  return FROM_LEAST[Math.max(0, ...permissions.map((one) => FROM_LEAST.indexOf(one)))] as Permission
}

function byTarget(
  { host, ports, methods, paths, scheme: meant = 'https' }: SecretTarget,
  { authority, scheme, method, path }: Destination,
  namesPort: NamedPorts,
): Permission {
  if (host !== '*' && !isWithin(authority.host, host)) return 'denied'
  if (scheme !== meant) return scheme === 'http' ? 'unencrypted' : 'encrypted'
  const isPort = ports === undefined ? isUsualPort(scheme, authority, namesPort) : ports.includes(authority.port)
  if (!isPort) return 'port'
  if (methods !== undefined && !methods.includes(method)) return 'method'
  return paths === undefined || paths.some((prefix) => isPathWithin(path, prefix)) ? 'granted' : 'path'
}

function isUsualPort(scheme: 'http' | 'https', authority: Authority, namesPort: NamedPorts): boolean {
  return authority.port === (scheme === 'https' ? 443 : 80) || namesPort(authority)
}
