/**
 * Every way an exchange ends without the upstream's answer, in one table. `blocked` tells a decision of ours from a
 * failure upstream. The workload sees code, reason and record id; never upstream text.
 */
export const DENIALS = {
  domain_denied: { status: 403, blocked: true, summary: 'The policy does not allow this destination' },
  domain_expired: { status: 403, blocked: true, summary: 'The permission for this destination has ended' },
  no_policy: {
    status: 403,
    blocked: true,
    summary: 'The configuration has no `domains` section, so nothing is reachable',
  },
  rate_limited: { status: 429, blocked: true, summary: 'Too many requests to this host' },
  budget_exceeded: {
    status: 429,
    blocked: true,
    summary: 'More would leave within an hour than `budget` or `host_labels` allows',
  },
  body_too_large: {
    status: 413,
    blocked: true,
    summary: 'The request body or message is larger than `max_request_body`',
  },
  authority_mismatch: { status: 403, blocked: true, summary: 'CONNECT, SNI and Host do not name the same destination' },
  misdirected_request: { status: 421, blocked: true, summary: 'The connection was opened for another authority' },
  bad_request: { status: 400, blocked: true, summary: 'The request is malformed or its destination cannot be read' },
  placeholder_misdirected: {
    status: 403,
    blocked: true,
    summary: 'A placeholder was on its way to a host that does not get the secret',
  },
  secret_literal: {
    status: 403,
    blocked: true,
    summary: 'A live secret was on its way to a host that does not get it',
  },
  secret_unusable: {
    status: 403,
    blocked: true,
    summary: 'A secret cannot be put where its placeholder stands; 502 when what is made of it is not to be had now',
  },
  inspector_blocked: { status: 403, blocked: true, summary: 'An inspector blocked the request or the response' },
  inspector_failed: { status: 403, blocked: true, summary: 'An inspector failed, so what it looked at was blocked' },
  response_too_large: {
    status: 403,
    blocked: true,
    summary:
      'The response, or a server-sent event, is larger than `max_inspected_response` and an inspector looks at it',
  },
  address_forbidden: {
    status: 403,
    blocked: true,
    summary: 'The name leads to a special address that is not in `upstream.allow_addresses`',
  },
  audit_unavailable: { status: 403, blocked: true, summary: 'The audit log cannot be written' },
  encoding_unsupported: {
    status: 403,
    blocked: true,
    summary: 'The content coding cannot be decoded, so secrets could not be redacted',
  },
  overloaded: { status: 503, blocked: true, summary: 'Too many request bytes are in flight' },
  protocol_unsupported: {
    status: 403,
    blocked: true,
    summary: 'The bytes are neither TLS with a server name nor HTTP',
  },
  tls_handshake_failed: {
    status: 403,
    blocked: true,
    summary: 'The workload did not complete TLS with the egress; it may not trust the cage certificate',
  },
  client_aborted: { status: 499, blocked: false, summary: 'The workload went away before the response ended' },
  upstream_unresolved: { status: 502, blocked: false, summary: 'The name could not be resolved' },
  upstream_unreachable: { status: 502, blocked: false, summary: 'No connection to the upstream' },
  upstream_tls: {
    status: 502,
    blocked: false,
    summary: 'The upstream failed the TLS handshake or its certificate check',
  },
  upstream_protocol: { status: 502, blocked: false, summary: 'The upstream answered with something that is not HTTP' },
  upstream_aborted: { status: 502, blocked: false, summary: 'The upstream ended the response early' },
  upstream_timeout: { status: 502, blocked: false, summary: 'The upstream did not answer in time' },
  egress_closed: { status: 503, blocked: true, summary: 'The egress is shutting down' },
  egress_failed: { status: 502, blocked: true, summary: 'A defect in the egress; the request was not completed' },
} as const satisfies Record<string, { readonly status: number; readonly blocked: boolean; readonly summary: string }>

export type DenialCode = keyof typeof DENIALS

/** Why an exchange ends, thrown or returned anywhere on its way. */
export class Denial extends Error {
  override readonly name = 'Denial'
  readonly code: DenialCode
  readonly retryAfter: number | undefined
  readonly status: number

  /** `reason` is shown to the workload and recorded; `cause` is for the operator's log only; `status` takes the place of the code's. */
  constructor(
    code: DenialCode,
    reason: string,
    options: { readonly retryAfter?: number; readonly status?: 502; readonly cause?: unknown } = {},
  ) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfter = options.retryAfter
    this.status = options.status ?? DENIALS[code].status
  }

  get blocked(): boolean {
    return DENIALS[this.code].blocked
  }

  /** The body shown to the workload; the first four keys in the original's order. */
  body(host: string, id: string): Buffer {
    return Buffer.from(
      JSON.stringify({ blocked: this.blocked, reason: this.message, host, by: 'agentcage', code: this.code, id }),
    )
  }
}
