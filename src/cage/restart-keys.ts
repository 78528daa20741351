import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/schema.ts'

/** What the egress reads anew while it runs; every other key belongs to the workload or to sockets of the start. */
const LIVE: ReadonlySet<keyof Config> = new Set([
  'budget',
  'content_type',
  'dns_servers',
  'domains',
  'entropy',
  'host_labels',
  'inspectors',
  'logging',
  'max_inspected_response',
  'max_request_body',
  'rate_limit',
  'secret_injection',
  'secrets',
  'split',
  'upstream',
])

/**
 * The keys that differ and whose new values count from the next start on. A secret that is new counts at once for the
 * egress, but the workload has its placeholder in its environment from the next start on; a new port is captured then.
 */
export function restartKeys(before: Config, after: Config): readonly string[] {
  const keys = Object.keys(after).filter((key): key is keyof Config => key in before || key in after)
  const changed = keys.filter((key) => !LIVE.has(key) && !isDeepStrictEqual(before[key], after[key]))
  return [...changed, ...newSecrets(before, after), ...newPorts(before, after)]
}

function newSecrets(before: Config, after: Config): readonly string[] {
  const holds = (config: Config, env: string, placeholder: string | undefined): boolean =>
    config.secret_injection.some((rule) => rule.env === env && rule.placeholder === placeholder)
  const added = after.secret_injection.filter(({ env, placeholder }) => !holds(before, env, placeholder))
  return added.map(({ env }) => `secret_injection (${env} in the environment of the workload)`)
}

function newPorts(before: Config, after: Config): readonly string[] {
  const portsOf = (config: Config): readonly number[] => [
    ...config.ports.tcp.allow,
    ...(config.domains?.list.flatMap(({ ports }) => ports ?? []) ?? []),
  ]
  const captured = new Set(portsOf(before))
  const added = [...new Set(portsOf(after))].filter((port) => !captured.has(port))
  return added.map((port) => `port ${port}, for programs that do not ask the proxy`)
}
