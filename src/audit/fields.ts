import type { AuditRecord } from './record.ts'

type FieldType = 'text' | 'number' | 'names' | 'findings'

export interface AuditField {
  readonly type: FieldType
  readonly optional?: true
  /** Most UTF-16 code units that are kept of a text; the rest becomes an ellipsis. */
  readonly limit?: number
  readonly doc: string
}

/** Every field of a record in the order in which it is written. The reference page is made from this table. */
export const AUDIT_FIELDS = {
  ts: {
    type: 'text',
    doc: 'When the record was written: UTC with microseconds, never earlier than in the line before.',
  },
  id: { type: 'text', limit: 64, doc: 'Unguessable and unique. The denial that the workload saw carries it.' },
  cage: { type: 'text', limit: 64, doc: 'Name of the cage.' },
  direction: {
    type: 'text',
    limit: 16,
    doc: '`outbound`: the workload asked. `inbound`: somebody asked the workload.',
  },
  protocol: {
    type: 'text',
    limit: 16,
    doc: '`http/1.1`, `h2`, `websocket`, `grpc`, `dns`, `tls`, `socks5`, `connect` or `raw`.',
  },
  method: { type: 'text', limit: 64, doc: 'Method of the request; for DNS the type of the question.' },
  host: { type: 'text', limit: 255, doc: 'Host that was asked for.' },
  port: { type: 'number', doc: 'Port that was asked for.' },
  path: { type: 'text', limit: 8192, doc: 'Path and query.' },
  url: { type: 'text', limit: 8192, doc: 'The whole URL as the workload sent it: placeholders, never secrets.' },
  decision: { type: 'text', limit: 16, doc: '`allowed`, `flagged` or `blocked`.' },
  reason: { type: 'text', limit: 1024, doc: 'Why, in words; empty when there is nothing to say.' },
  code: { type: 'text', limit: 64, doc: 'Code of the denial or failure; empty when allowed.' },
  inspectors: {
    type: 'findings',
    optional: true,
    doc: 'What inspectors said, in order: `{name, action, reason, severity}`. Absent when none had anything to say.',
  },
  secrets_injected: { type: 'names', optional: true, doc: 'Names of the secrets that were put in on the way out.' },
  secrets_not_injected: {
    type: 'names',
    optional: true,
    doc: 'Names of the secrets whose placeholders left as they were: the host may have the value, but not in that place.',
  },
  secrets_redacted: { type: 'names', optional: true, doc: 'Names of the secrets that were taken out on the way back.' },
  status: { type: 'number', doc: 'HTTP status that the workload got; 0 when there was none.' },
  bytes_out: { type: 'number', doc: 'Body bytes that left for upstream.' },
  bytes_in: { type: 'number', doc: 'Body bytes that went to the workload.' },
  duration_ms: { type: 'number', doc: 'From arrival to the end of the exchange, in milliseconds.' },
  upstream_ip: { type: 'text', limit: 64, doc: 'Address that was dialled; empty when none was.' },
  prev: { type: 'text', doc: 'Hash of the line before; 64 zeros in the first line.' },
  hash: { type: 'text', doc: 'SHA-256, in lower-case hex, of the bytes of this line before `,"hash":`.' },
} as const satisfies Record<keyof AuditRecord, AuditField>

/** Most findings and most names of secrets in one record; `LIMITS` for the texts in them. */
export const MOST_FINDINGS = 32
export const MOST_NAMES = 64
export const NAME_LIMIT = 128

/**
 * Longest line that is written or read, in bytes. A code unit takes at most six (`\u0000`), so the limits of the table
 * stay below it whatever an event holds.
 */
export const MOST_LINE_BYTES = 524_288

const FIELDS: readonly (readonly [string, AuditField])[] = Object.entries(AUDIT_FIELDS)
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/
const DECISIONS: ReadonlySet<unknown> = new Set(['allowed', 'flagged', 'blocked'])

/** Reads one line of a log. Undefined when it is not JSON or lacks what a record must have; further fields may be there. */
export function parseRecord(line: string): AuditRecord | undefined {
  const value = parseJson(line)
  if (!isObject(value) || !TIMESTAMP.test(String(value['ts'])) || !DECISIONS.has(value['decision'])) return undefined
  const complete = FIELDS.every(([name, field]) => isOfType(value[name], field))
  return complete ? (value as unknown as AuditRecord) : undefined
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isOfType(value: unknown, field: AuditField): boolean {
  if (value === undefined) return field.optional === true
  switch (field.type) {
    case 'text':
      return typeof value === 'string'
    case 'number':
      return typeof value === 'number'
    case 'names':
      return Array.isArray(value) && value.every((name) => typeof name === 'string')
    case 'findings':
      return Array.isArray(value) && value.every(isFinding)
  }
}

function isFinding(value: unknown): boolean {
  return isObject(value) && ['name', 'action', 'reason', 'severity'].every((key) => typeof value[key] === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
