import type { DomainPolicy } from '../../policy/domains.ts'
import { PASS, type HeadContext, type Inspector, type Verdict } from './inspector.ts'

/** Where traffic may go: the domain policy, asked for each request and again for each message of a long connection, and for names. */
export function domainInspector(policy: DomainPolicy, clock: () => Date): Inspector {
  function decide(context: HeadContext): Verdict {
    // A message of a WebSocket is covered by what covers its handshake.
    const method = context.protocol === 'websocket' ? 'GET' : context.method
    const decision = policy.decide({ ...context, method }, clock())
    if (decision.kind === 'allow') return PASS
    return { kind: 'block', reason: decision.reason, severity: 'error', code: decision.code }
  }
  return {
    name: 'domain',
    inspectHead: decide,
    inspectMessage: decide,
    inspectQuestion: ({ host }) => (policy.knows(host, clock()) ? PASS : UNKNOWN),
  }
}

const UNKNOWN: Verdict = {
  kind: 'block',
  reason: 'not reachable by policy',
  severity: 'error',
  code: 'domain_denied',
}
