import { isWithin, type Authority } from '../../policy/host.ts'
import type { SecretBinding } from './binding.ts'

/** Where a request goes, and whether it is protected on the way. WebSocket: `https` for wss, `http` for ws. */
export interface Destination {
  readonly authority: Authority
  readonly scheme: 'http' | 'https'
}

/** `unencrypted`: the host may have the secret, but not over a connection that anybody on the way can read. */
export type Permission = 'granted' | 'unencrypted' | 'denied'

/**
 * Whether a binding's secret may go to a destination. Without TLS only a host that `inject_to` names gets it, because
 * whoever named a host may know that it speaks nothing else; "*" does not say that, and the scheme is the workload's choice.
 */
export function permissionFor(binding: SecretBinding, { authority, scheme }: Destination): Permission {
  if (binding.injectTo.some((zone) => zone !== '*' && isWithin(authority.host, zone))) return 'granted'
  if (!binding.injectTo.includes('*')) return 'denied'
  return scheme === 'https' ? 'granted' : 'unencrypted'
}
