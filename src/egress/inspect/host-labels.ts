import type { Config } from '../../config/schema.ts'
import { isAddress, zonesOf, type Hostname } from '../../policy/host.ts'
import type { HostLabelBudget, HostLabelLimits } from './host-labels-budget.ts'
import { labelsBelow, suspiciousLabels } from './host-labels-measure.ts'
import { PASS, type HeadContext, type Inspector, type Verdict } from './inspector.ts'

export interface HostLabelSettings extends HostLabelLimits {
  /** For labels that look like data. What exceeds the limits is always blocked. */
  readonly action: 'flag' | 'block'
}

export interface HostLabelRules {
  readonly settings: HostLabelSettings
  readonly budget: HostLabelBudget
  /** The zone of a host, by `zoneFinder`. */
  readonly zoneOf: (host: Hostname) => Hostname
}

/** From this share of the limit on, every new name is flagged. */
const MANY = 0.5

/** Data in the names of hosts: whoever runs a zone reads every name below it. */
export function hostLabelsInspector(rules: HostLabelRules, clock: () => Date): Inspector {
  const judge = ({ host }: HeadContext): Verdict => judgeHostLabels(rules, host, clock().getTime())
  return { name: 'host-labels', inspectHead: judge, inspectQuestion: judge }
}

/** What is to be said of a host, in a request or in a DNS question. `now` in milliseconds. */
export function judgeHostLabels({ settings, budget, zoneOf }: HostLabelRules, host: Hostname, now: number): Verdict {
  const zone = zoneOf(host)
  const labels = labelsBelow(host, zone)
  if (labels === '') return PASS
  const reason = suspiciousLabels(labels)
  if (reason !== undefined && settings.action === 'block') return { kind: 'block', reason, severity: 'warning' }
  const use = budget.use(zone, labels, now)
  if (use.kind === 'exceeded') {
    return { kind: 'block', reason: use.reason, severity: 'error', code: 'budget_exceeded', retryAfter: use.retryAfter }
  }
  if (reason !== undefined) return { kind: 'flag', reason, severity: 'warning' }
  const { names_per_hour: maxNames, label_bytes_per_hour: maxBytes } = settings
  const isMuch = (maxNames > 0 && use.names > maxNames * MANY) || (maxBytes > 0 && use.bytes > maxBytes * MANY)
  if (!use.isNew || !isMuch) return PASS
  return {
    kind: 'flag',
    reason: `many distinct host labels: ${use.names} under ${zone} within an hour`,
    severity: 'warning',
  }
}

/**
 * The zone whose names are counted together: the least specific entry of an allowlist that the host is in, so that
 * entries below it do not multiply its budget. Where there is no such entry, what somebody can register: two labels,
 * or three below the likes of `co.uk`. An address is its own zone.
 */
export function zoneFinder(domains: Config['domains']): (host: Hostname) => Hostname {
  const listed = new Set(domains?.mode === 'allowlist' ? domains.list.map(({ host }) => host) : [])
  return (host) => {
    if (isAddress(host)) return host
    let widest: Hostname | undefined
    for (const zone of zonesOf(host)) if (listed.has(zone)) widest = zone
    return widest ?? registrable(host)
  }
}

function registrable(host: Hostname): Hostname {
  const labels = host.split('.')
  const [second = '', top = ''] = labels.slice(-2)
  const kept = top.length === 2 && second.length <= 3 ? 3 : 2
  return labels.slice(-kept).join('.') as Hostname
}
