import type { AuditEvent, AuditSink } from '../audit/record.ts'
import type { SecretSet } from './secrets/secret-set.ts'

/** A sink whose records hold placeholders where an event holds real values, whoever put them there. */
export function redactedAudit(sink: AuditSink, secrets: () => SecretSet): AuditSink {
  return {
    append: (event) => sink.append(redactedEvent(event, secrets())),
    appendSoon: (event) => sink.appendSoon(redactedEvent(event, secrets())),
    usable: () => sink.usable(),
  }
}

function redactedEvent(event: AuditEvent, secrets: SecretSet): AuditEvent {
  if (secrets.isEmpty) return event
  const { method, host, path, url, reason, inspectors } = event
  // One look at all of them: almost never is there anything to redact.
  const whole = [method, host, path, url, reason, ...(inspectors ?? []).map((finding) => finding.reason)].join('\0')
  if (secrets.redactText(whole) === whole) return event
  return {
    ...event,
    method: secrets.redactText(method),
    host: secrets.redactText(host),
    path: secrets.redactText(path),
    url: secrets.redactText(url),
    reason: secrets.redactText(reason),
    ...(inspectors === undefined
      ? {}
      : { inspectors: inspectors.map((finding) => ({ ...finding, reason: secrets.redactText(finding.reason) })) }),
  }
}
