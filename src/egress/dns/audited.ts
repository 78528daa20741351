import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '../../audit/record.ts'
import type { EgressCore } from '../core.ts'
import { DnsListener, type DnsListenerOptions } from '../listen/dns.ts'

/** The workload's resolver: names the policy knows lead to the egress, and what is asked is recorded as configured. */
export function auditedDns(core: EgressCore, egressAddress: DnsListenerOptions['egressAddress']): DnsListener {
  return new DnsListener({
    egressAddress,
    decide: (host) => (core.ruling().policy.knows(host, core.clock()) ? 'egress' : 'sinkhole'),
    onQuery({ name, type, decision, reason }) {
      if (!core.ruling().logging.dns_queries) return
      core.audit.append({
        ...EMPTY,
        id: randomUUID(),
        method: type,
        host: name,
        decision,
        reason,
        code: decision === 'blocked' ? 'domain_denied' : '',
      })
    },
    onMalformed(report) {
      const reason =
        report.kind === 'summary'
          ? `${report.count} more malformed DNS messages`
          : `malformed DNS message: ${report.reason}`
      core.audit.append({
        ...EMPTY,
        id: randomUUID(),
        method: '',
        host: '',
        decision: 'blocked',
        reason,
        code: 'bad_request',
      })
    },
  })
}

const EMPTY = {
  direction: 'outbound',
  protocol: 'dns',
  port: 53,
  path: '',
  url: '',
  status: 0,
  bytes_out: 0,
  bytes_in: 0,
  duration_ms: 0,
  upstream_ip: '',
} as const satisfies Partial<AuditEvent>
