export type Decision = 'allowed' | 'flagged' | 'blocked'

/** A finding as it stands in a record. */
export interface AuditFinding {
  readonly name: string
  readonly action: 'flag' | 'block'
  readonly reason: string
  readonly severity: string
}

/** What the egress says about one exchange. The writer adds `ts`, `cage`, `prev` and `hash`. */
export interface AuditEvent {
  /** Unguessable, unique: `crypto.randomUUID()`. A denial shown to the workload carries it. */
  readonly id: string
  /** `outbound`: the workload asked. `inbound`: somebody asked the workload. */
  readonly direction: 'outbound' | 'inbound'
  readonly protocol: 'http/1.1' | 'h2' | 'websocket' | 'grpc' | 'dns' | 'tls' | 'socks5' | 'connect' | 'raw'
  readonly method: string
  readonly host: string
  readonly port: number
  readonly path: string
  /** As the workload sent it: placeholders, never live values. */
  readonly url: string
  readonly decision: Decision
  /** '' when there is nothing to say. */
  readonly reason: string
  /** The code of the denial or failure, '' when allowed. */
  readonly code: string
  readonly inspectors?: readonly AuditFinding[]
  /** Names (never values) of the secrets that were put in on the way out, and taken out on the way back. */
  readonly secrets_injected?: readonly string[]
  /** Those whose placeholders stood where their rule does not put a value in, and left as they were. */
  readonly secrets_not_injected?: readonly string[]
  readonly secrets_redacted?: readonly string[]
  /** HTTP status sent to the workload; 0 when there was none. */
  readonly status: number
  /** Body bytes that left for upstream, and body bytes that went to the workload. */
  readonly bytes_out: number
  readonly bytes_in: number
  readonly duration_ms: number
  /** The address that was dialled; '' when none was. */
  readonly upstream_ip: string
}

/**
 * One line of the audit log. `hash` is the last field and is the SHA-256 (lower-case hex) of the line's bytes
 * before `,"hash":`; `prev` is the hash of the record before, or 64 zeros in the first.
 */
export interface AuditRecord extends AuditEvent {
  /** UTC, `2026-11-22T21:23:00.123456+00:00` (the original's form). */
  readonly ts: string
  readonly cage: string
  readonly prev: string
  readonly hash: string
}

/** Where decisions go. `append` returns only once the record is written; it throws if it cannot be. */
export interface AuditSink {
  append(event: AuditEvent): void
  /** The same for records that many exchanges have at once: resolves once written, rejects if it cannot be. */
  appendSoon(event: AuditEvent): Promise<void>
  /** Whether the next record can be expected to be written; tries to recover when the last one was not. */
  usable(): boolean
}
