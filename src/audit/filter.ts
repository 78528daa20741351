import type { AuditRecord, Decision } from './record.ts'
import { parseTimestamp } from './timestamp.ts'

/** What a record must be to be shown. What is absent does not matter; all that is there must hold. */
export interface RecordFilter {
  readonly decision?: Decision | undefined
  /** Part of the host, in any case. */
  readonly host?: string | undefined
  /** In any case. */
  readonly method?: string | undefined
  readonly code?: string | undefined
  /** Not before: microseconds since 1970. */
  readonly since?: number | undefined
}

export function matches(record: AuditRecord, filter: RecordFilter): boolean {
  const { decision, host, method, code, since } = filter
  return (
    (decision === undefined || record.decision === decision) &&
    (host === undefined || record.host.toLowerCase().includes(host.toLowerCase())) &&
    (method === undefined || record.method.toLowerCase() === method.toLowerCase()) &&
    (code === undefined || record.code === code) &&
    (since === undefined || parseTimestamp(record.ts) >= since)
  )
}

const AGE = /^(\d{1,6})([mhd])$/
const MINUTES = { m: 1, h: 60, d: 1440 } as const
const DATE = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:\d\d)?)?$/

/**
 * Reads `30m`, `1h`, `7d` (ago) or an ISO 8601 date with or without a time; without a zone it is UTC, as in the log.
 * `now` and the result are microseconds since 1970. Undefined for anything else.
 */
export function parseSince(text: string, now: number): number | undefined {
  const [, amount, unit] = AGE.exec(text) ?? []
  if (amount !== undefined) return now - Number(amount) * MINUTES[unit as keyof typeof MINUTES] * 60_000_000
  const [, date, time = '00:00', zone = 'Z'] = DATE.exec(text) ?? []
  if (date === undefined || !isOnCalendar(date)) return undefined
  const milliseconds = Date.parse(`${date}T${time}${zone}`)
  return Number.isNaN(milliseconds) ? undefined : milliseconds * 1000
}

/** `Date.parse` takes the 31st of February for the 3rd of March. */
function isOnCalendar(date: string): boolean {
  const parsed = new Date(`${date}T00:00Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date)
}
