import { formatAuthority, parseAuthority, type Authority } from '../policy/host.ts'
import type { Config } from './schema.ts'

/** `upstream.connect_to` as a map from `host:port` in normal form. */
export function connectTargets(config: Pick<Config, 'upstream'>): ReadonlyMap<string, Authority> {
  return new Map(
    Object.entries(config.upstream.connect_to).map(([from, to]) => {
      const source = parseAuthority(from)
      const target = parseAuthority(to)
      if (source === undefined || target === undefined) throw new TypeError('connect_to was validated')
      return [formatAuthority(source), target]
    }),
  )
}
