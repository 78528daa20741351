import { hash } from 'node:crypto'
import { AUDIT_FIELDS as LIMITS, MOST_FINDINGS, MOST_NAMES, NAME_LIMIT } from './fields.ts'
import type { AuditEvent, AuditFinding } from './record.ts'
import { isPlainText, quote } from './text.ts'

/** What the writer adds to an event. */
export interface Stamp {
  readonly ts: string
  readonly cage: string
  readonly prev: string
}

/**
 * One line of the log with its newline, and its hash. The keys stand in the order of `AUDIT_FIELDS`; they are written
 * out by hand because this runs for every request, and a generic serialiser takes three times as long.
 */
export function formatLine(event: AuditEvent, stamp: Stamp): { readonly line: string; readonly hash: string } {
  const body = isPlain(event, stamp.cage) ? bodyWith(event, stamp, same) : bodyWith(event, stamp, withoutQuotes)
  const digest = hash('sha256', body, 'hex')
  return { line: `${body},"hash":"${digest}"}\n`, hash: digest }
}

/** `text` writes what stands between the quotes. */
function bodyWith(event: AuditEvent, stamp: Stamp, text: (value: string, limit: number) => string): string {
  return (
    `{"ts":"${stamp.ts}","id":"${text(event.id, LIMITS.id.limit)}","cage":"${text(stamp.cage, LIMITS.cage.limit)}"` +
    `,"direction":"${text(event.direction, LIMITS.direction.limit)}"` +
    `,"protocol":"${text(event.protocol, LIMITS.protocol.limit)}"` +
    `,"method":"${text(event.method, LIMITS.method.limit)}","host":"${text(event.host, LIMITS.host.limit)}"` +
    `,"port":${whole(event.port)},"path":"${text(event.path, LIMITS.path.limit)}"` +
    `,"url":"${text(event.url, LIMITS.url.limit)}","decision":"${text(event.decision, LIMITS.decision.limit)}"` +
    `,"reason":"${text(event.reason, LIMITS.reason.limit)}","code":"${text(event.code, LIMITS.code.limit)}"` +
    formatFindings(event.inspectors) +
    formatNames('secrets_injected', event.secrets_injected) +
    formatNames('secrets_not_injected', event.secrets_not_injected) +
    formatNames('secrets_redacted', event.secrets_redacted) +
    `,"status":${whole(event.status)},"bytes_out":${whole(event.bytes_out)},"bytes_in":${whole(event.bytes_in)}` +
    `,"duration_ms":${milliseconds(event.duration_ms)}` +
    `,"upstream_ip":"${text(event.upstream_ip, LIMITS.upstream_ip.limit)}","prev":"${stamp.prev}"`
  )
}

/** Whether every text is short enough and stands for itself in JSON, as almost always: one look at all of them. */
function isPlain(event: AuditEvent, cage: string): boolean {
  const { id, direction, protocol, method, host, path, url, decision, reason, code, upstream_ip: address } = event
  return (
    id.length <= LIMITS.id.limit &&
    cage.length <= LIMITS.cage.limit &&
    direction.length <= LIMITS.direction.limit &&
    protocol.length <= LIMITS.protocol.limit &&
    method.length <= LIMITS.method.limit &&
    host.length <= LIMITS.host.limit &&
    path.length <= LIMITS.path.limit &&
    url.length <= LIMITS.url.limit &&
    decision.length <= LIMITS.decision.limit &&
    reason.length <= LIMITS.reason.limit &&
    code.length <= LIMITS.code.limit &&
    address.length <= LIMITS.upstream_ip.limit &&
    isPlainText(id + cage + direction + protocol + method + host + path + url + decision + reason + code + address)
  )
}

function same(value: string): string {
  return value
}

function withoutQuotes(value: string, limit: number): string {
  return quote(value, limit).slice(1, -1)
}

function formatFindings(findings: readonly AuditFinding[] | undefined): string {
  if (findings === undefined || findings.length === 0) return ''
  return `,"inspectors":[${firstAndLast(findings, MOST_FINDINGS).map(formatFinding).join(',')}]`
}

function formatFinding({ name, action, reason: why, severity }: AuditFinding): string {
  return (
    `{"name":${quote(name, NAME_LIMIT)},"action":${quote(action, NAME_LIMIT)}` +
    `,"reason":${quote(why, LIMITS.reason.limit)},"severity":${quote(severity, NAME_LIMIT)}}`
  )
}

function formatNames(key: string, names: readonly string[] | undefined): string {
  if (names === undefined || names.length === 0) return ''
  return `,"${key}":[${firstAndLast(names, MOST_NAMES)
    .map((name) => quote(name, NAME_LIMIT))
    .join(',')}]`
}

/** The last finding is the one that blocked: it is never what is left out. */
function firstAndLast<T>(list: readonly T[], most: number): readonly T[] {
  return list.length <= most ? list : [...list.slice(0, most - 1), ...list.slice(-1)]
}

/** JSON has no NaN and no infinity. */
function whole(value: number): number {
  return Number.isFinite(value) ? Math.trunc(value) : 0
}

function milliseconds(value: number): number {
  const rounded = Math.round(value * 1000) / 1000
  return Number.isFinite(rounded) ? rounded : 0
}
