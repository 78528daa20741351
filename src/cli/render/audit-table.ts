import type { AuditRecord } from '../../audit/record.ts'
import type { Colour, Painter } from './paint.ts'
import type { Cell, Column } from './table.ts'

export const AUDIT_COLUMNS: readonly Column[] = [
  { title: 'TIMESTAMP', width: 26, min: 19, cut: 'bare' },
  { title: 'DIRECTION', width: 10, min: 3, cut: 'bare' },
  { title: 'METHOD', width: 8, min: 6 },
  { title: 'HOST', width: 25, min: 12, grow: 1 },
  { title: 'PORT', width: 5 },
  { title: 'PATH', width: 20, min: 8, grow: 1 },
  { title: 'DECISION', width: 10, min: 8 },
  { title: 'REASON', width: 20, min: 10, grow: 3 },
]

const COLOURS: Readonly<Record<AuditRecord['decision'], Colour>> = {
  allowed: 'green',
  flagged: 'yellow',
  blocked: 'red',
}

export function auditRow(record: AuditRecord, paint: Painter): readonly Cell[] {
  return [
    record.ts.slice(0, 26),
    record.direction,
    record.method,
    record.host,
    String(record.port),
    record.path,
    { text: record.decision, paint: (text) => paint(COLOURS[record.decision], text) },
    reasonCell(record),
  ]
}

function reasonCell({ reason, secrets_injected: injected = [], secrets_redacted: redacted = [] }: AuditRecord): string {
  const parts = [reason]
  if (injected.length > 0) parts.push(`[injected: ${injected.join(', ')}]`)
  if (redacted.length > 0) parts.push(`[redacted: ${redacted.join(', ')}]`)
  return parts.filter((part) => part !== '').join(' ')
}
