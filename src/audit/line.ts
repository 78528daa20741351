import { hash } from 'node:crypto'
import { AUDIT_FIELDS, MOST_FINDINGS, MOST_NAMES, NAME_LIMIT } from './fields.ts'
import type { AuditEvent, AuditFinding } from './record.ts'
import { quote } from './text.ts'

const { id, cage, direction, protocol, method, host, path, url, decision, reason, code, upstream_ip } = AUDIT_FIELDS

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
  const body =
    `{"ts":"${stamp.ts}","id":${quote(event.id, id.limit)},"cage":${quote(stamp.cage, cage.limit)}` +
    `,"direction":${quote(event.direction, direction.limit)},"protocol":${quote(event.protocol, protocol.limit)}` +
    `,"method":${quote(event.method, method.limit)},"host":${quote(event.host, host.limit)}` +
    `,"port":${whole(event.port)},"path":${quote(event.path, path.limit)},"url":${quote(event.url, url.limit)}` +
    `,"decision":${quote(event.decision, decision.limit)},"reason":${quote(event.reason, reason.limit)}` +
    `,"code":${quote(event.code, code.limit)}${formatFindings(event.inspectors)}` +
    formatNames('secrets_injected', event.secrets_injected) +
    formatNames('secrets_not_injected', event.secrets_not_injected) +
    formatNames('secrets_redacted', event.secrets_redacted) +
    `,"status":${whole(event.status)},"bytes_out":${whole(event.bytes_out)},"bytes_in":${whole(event.bytes_in)}` +
    `,"duration_ms":${milliseconds(event.duration_ms)}` +
    `,"upstream_ip":${quote(event.upstream_ip, upstream_ip.limit)},"prev":"${stamp.prev}"`
  const digest = hash('sha256', body, 'hex')
  return { line: `${body},"hash":"${digest}"}\n`, hash: digest }
}

function formatFindings(findings: readonly AuditFinding[] | undefined): string {
  if (findings === undefined || findings.length === 0) return ''
  return `,"inspectors":[${firstAndLast(findings, MOST_FINDINGS).map(formatFinding).join(',')}]`
}

function formatFinding({ name, action, reason: why, severity }: AuditFinding): string {
  return (
    `{"name":${quote(name, NAME_LIMIT)},"action":${quote(action, NAME_LIMIT)}` +
    `,"reason":${quote(why, reason.limit)},"severity":${quote(severity, NAME_LIMIT)}}`
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
