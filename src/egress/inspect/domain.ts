import type { DomainPolicy } from '../../policy/domains.ts'
import { PASS, type HeadContext, type Inspector, type Verdict } from './inspector.ts'
import { readingsOf } from './readings.ts'

/** Where traffic may go: the domain policy, asked for each request and again for each message of a long connection, and for names. */
export function domainInspector(policy: DomainPolicy, clock: () => Date): Inspector {
  function decide(context: HeadContext): Verdict {
    // A message of a WebSocket is covered by what covers its handshake.
    const method = context.protocol === 'websocket' ? 'GET' : context.method
    const now = clock()
    const { host, port, path, headers } = context
    const readings = readingsOf({ method, path, headers })
    if (readings === undefined) return CONTRADICTION
    for (const reading of readings) {
      const decision = policy.decide({ host, port, method: reading.method, path: reading.path }, now)
      if (decision.kind === 'deny')
        return { kind: 'block', reason: decision.reason, severity: 'error', code: decision.code }
    }
    return PASS
  }
  return {
    name: 'domain',
    inspectHead: decide,
    inspectMessage: decide,
    inspectQuestion: ({ host }) => (policy.knows(host, clock()) ? PASS : UNKNOWN),
  }
}

const CONTRADICTION: Verdict = {
  kind: 'block',
  reason:
    'several fields or parameters name the method or the path in place of the request line, and contradict each other',
  severity: 'error',
  code: 'bad_request',
}

const UNKNOWN: Verdict = {
  kind: 'block',
  reason: 'not reachable by policy',
  severity: 'error',
  code: 'domain_denied',
}
