import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '../../audit/record.ts'
import type { Hostname } from '../../policy/host.ts'
import type { EgressCore } from '../core.ts'
import type { HeadContext } from '../inspect/inspector.ts'
import { DnsListener, type DnsListenerOptions } from '../listen/dns.ts'
import type { NameRuling } from './answers.ts'

/**
 * The workload's resolver: names that the inspectors let pass lead to the egress. What is asked is recorded as
 * configured, and in any case when an inspector other than the domain policy has something to say about it.
 */
export function auditedDns(core: EgressCore, egressAddress: DnsListenerOptions['egressAddress']): DnsListener {
  return new DnsListener({
    egressAddress,
    decide: (host, type) => judgeName(core, host, type),
    onQuery({ name, type, decision, reason, code = 'domain_denied', findings = [] }) {
      const isOrdinary = findings.every((finding) => finding.name === 'domain')
      if (isOrdinary && !core.ruling().logging.dns_queries) return
      core.audit.append({
        ...EMPTY,
        id: randomUUID(),
        method: type,
        host: name,
        decision,
        reason,
        code: decision === 'blocked' ? code : '',
        ...(findings.length > 0 ? { inspectors: findings } : {}),
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

function judgeName(core: EgressCore, host: Hostname, type: string): NameRuling {
  const context: HeadContext = {
    direction: 'outbound',
    protocol: 'dns',
    method: type,
    url: `dns:${host}?type=${type}`, // RFC 4501
    host,
    port: 53,
    path: '',
    headers: [],
    contentType: '',
    priorResults: [],
  }
  const { findings, denial } = core.ruling().chain.inspectQuestion(context)
  if (denial !== undefined) return { decision: 'blocked', reason: denial.message, code: denial.code, findings }
  if (findings.length === 0) return { decision: 'allowed', reason: '' }
  return { decision: 'flagged', reason: findings.map(({ reason }) => reason).join('; '), findings }
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
