import { isWithin, type Hostname } from '../../../policy/host.ts'
import type { SecretPattern } from './pattern.ts'

/** Which credentials may go where. */
export interface Allowance {
  /** Whether a provider's credentials may go to the provider. */
  readonly builtinAllow: boolean
  /** By pattern name: the hosts that its hits may go to. Takes the place of the built-in hosts of that name. */
  readonly allow: ReadonlyMap<string, readonly Hostname[]>
}

export function isAllowedTo(
  { name, domains }: Pick<SecretPattern, 'name' | 'domains'>,
  host: Hostname,
  { allow, builtinAllow }: Allowance,
): boolean {
  const named = allow.get(name)
  if (named !== undefined) return named.some((domain) => isWithin(host, domain))
  return builtinAllow && domains.some((domain) => isWithin(host, domain as Hostname))
}
