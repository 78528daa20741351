import type { KeyPath } from './problem.ts'

/**
 * Keys that configurations for other versions of agentcage hold and this one does not act on. Passing over them would
 * leave somebody with less protection, or with another workload, than their file says. `*` stands for any list index.
 */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  agents: 'nothing decides on or watches the allowlist by itself',
  capture: 'traffic is recorded in the audit log only',
  lifecycle: 'a cage lives as long as its command',
  log_allowed: 'write logging.allowed_requests',
  nested_containers: 'containers do not run inside a cage',
  protocol_relays: 'only HTTP, WebSocket and DNS leave a cage',
  vm: 'write microvm',
  'domains.allow': 'write mode: allowlist and list',
  'domains.block': 'write mode: blocklist and list',
  'domains.expires': 'write expires in the entry of list',
  'domains.passthrough': 'TLS is always inspected',
  'logging.proxy_connections': 'connections are in the audit log',
  'ports.icmp': 'ICMP never leaves a cage',
  'ports.tcp.passthrough': 'TLS is always inspected',
  'ports.udp': 'UDP never leaves a cage',
  'secret_injection.*.redact_to': 'placeholders go to the hosts in inject_to only',
}

/** Why the key is not acted on; undefined for keys nobody knows. */
export function unsupportedReason(path: KeyPath): string | undefined {
  const pattern = path.map((part) => (typeof part === 'number' ? '*' : part)).join('.')
  return Object.hasOwn(UNSUPPORTED, pattern) ? UNSUPPORTED[pattern] : undefined
}
