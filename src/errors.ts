/**
 * Every way agentcage fails on the host side, in one table.
 * `exit` is the process exit code: 1 something on the host failed, 2 the request itself was wrong.
 */
export const ERRORS = {
  usage: { summary: 'The command line is wrong', exit: 2 },
  config_invalid: { summary: 'The configuration is wrong; nothing was started', exit: 2 },
  config_unreadable: { summary: 'The configuration could not be read', exit: 2 },
  secret_missing: { summary: 'A secret has no value', exit: 1 },
  secret_unavailable: { summary: 'The source that a rule names could not give the value of its secret', exit: 1 },
  secret_invalid: { summary: 'A secret has a value or a name that cannot be used', exit: 2 },
  state_unusable: { summary: 'The state folder cannot be used safely', exit: 1 },
  ca_unusable: { summary: 'The certificate authority exists but cannot be loaded', exit: 1 },
  audit_unusable: { summary: 'The audit log cannot be written or read', exit: 1 },
  audit_in_use: { summary: 'Another process writes the audit log', exit: 1 },
  listen_failed: { summary: 'A listening socket could not be opened', exit: 1 },
  inspector_changed: { summary: 'An inspector is not what was recorded when the cage was made', exit: 1 },
  host_unsupported: { summary: 'This host lacks something the isolation needs', exit: 1 },
  mount_refused: { summary: 'A mount would expose something it must not', exit: 2 },
  workload_failed: { summary: 'The workload could not be started', exit: 1 },
  egress_failed: { summary: 'The egress failed; the workload was ended', exit: 1 },
  cage_unknown: { summary: 'There is no cage of this name', exit: 1 },
  domain_unknown: { summary: 'The host is not on the list of the cage', exit: 1 },
  cage_exists: { summary: 'There is a cage of this name already', exit: 1 },
  cage_busy: { summary: 'Another command works on this cage', exit: 1 },
  cage_not_running: { summary: 'The cage does not run', exit: 1 },
  service_failed: { summary: 'systemd could not start or stop a service of the cage', exit: 1 },
  reload_failed: { summary: 'A change was not put in force; what was in force before still is', exit: 1 },
  output_failed: { summary: 'What was to be printed could not be written', exit: 1 },
  internal: { summary: 'A defect in agentcage', exit: 1 },
} as const satisfies Record<string, { readonly summary: string; readonly exit: 1 | 2 }>

export type ErrorCode = keyof typeof ERRORS

/** An error a person reads: what is wrong and where in `message`, what to do in `hint`. */
export class CageError extends Error {
  override readonly name = 'CageError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }

  get exitCode(): 1 | 2 {
    return ERRORS[this.code].exit
  }
}
