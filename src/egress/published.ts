import type { Config } from '../config/schema.ts'
import { isAddress, type Authority } from '../policy/host.ts'

/**
 * The rules for requests from outside to ports of the workload's: they lead there and nowhere else, and are looked into as
 * requests of the workload's are. Secrets stay out: none is put in, and what the workload answers holds placeholders.
 */
export function publishedConfig(config: Config, targets: readonly Authority[]): Config {
  if (!targets.every(({ host }) => isAddress(host))) throw new TypeError('a published port leads to an address')
  return {
    ...config,
    domains: { mode: 'allowlist', list: targets.map(({ host, port }) => ({ host, ports: [port] })) },
    secret_injection: [],
    host_labels: false,
    dns_servers: [],
    upstream: {
      allow_addresses: targets.map(({ host }) => host),
      connect_to: {},
      ca_file: undefined,
      proxy: undefined,
    },
  }
}
