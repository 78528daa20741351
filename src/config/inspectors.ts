/** An inspector that comes with agentcage. */
export interface BuiltInInspector {
  readonly looksAt: string
  /** What it does when it finds something, as long as the configuration says nothing else. */
  readonly action: 'block' | 'flag' | 'off'
  /** Where the configuration says more. */
  readonly section: string
  /** Of its denials. */
  readonly codes: readonly string[]
}

/** Every built-in inspector in the order in which they are asked. The reference page is made from this table. */
export const BUILT_IN_INSPECTORS = {
  'rate-limit': {
    looksAt: 'How often: a token for each request to a host.',
    action: 'block',
    section: 'rate_limit',
    codes: ['rate_limited'],
  },
  domain: {
    looksAt: 'Where to: heads, each message of a WebSocket or gRPC stream, and names that DNS is asked for.',
    action: 'block',
    section: 'domains',
    codes: ['domain_denied', 'domain_expired', 'no_policy'],
  },
  'secret-injector': {
    looksAt:
      'Placeholders and values of `secret_injection` on their way to a host that does not get them, in any encoding, and content that cannot be decoded within `decoding`.',
    action: 'block',
    section: 'secret_injection',
    codes: ['placeholder_misdirected', 'secret_literal', 'inspector_blocked'],
  },
  secrets: {
    looksAt:
      'Credentials of known formats in requests, messages out and names that DNS is asked for, as sent and with encodings undone, and content that cannot be decoded within `decoding`.',
    action: 'block',
    section: 'secrets',
    codes: ['inspector_blocked'],
  },
  'body-size': {
    looksAt: 'How large: bodies of requests, and messages in both directions.',
    action: 'block',
    section: 'max_request_body',
    codes: ['body_too_large'],
  },
  entropy: {
    looksAt: 'How random: URLs, bodies of requests, and messages out.',
    action: 'flag',
    section: 'entropy',
    codes: ['inspector_blocked'],
  },
  'content-type': {
    looksAt: 'Bodies of requests and messages out that are not the text they claim to be, and long base64 in text.',
    action: 'flag',
    section: 'content_type',
    codes: ['inspector_blocked'],
  },
  'host-labels': {
    looksAt: 'Data in host names: of requests, and of names that DNS is asked for. Past its limits it blocks.',
    action: 'flag',
    section: 'host_labels',
    codes: ['inspector_blocked', 'budget_exceeded'],
  },
  split: {
    looksAt:
      'Secrets and credentials in pieces: what a zone, or all of them, were sent in small parts, in requests, messages and names.',
    action: 'block',
    section: 'split',
    codes: ['secret_literal', 'inspector_blocked'],
  },
  budget: {
    looksAt: 'How much leaves within an hour: heads, bodies and messages. Asked last, after inspectors of your own.',
    action: 'off',
    section: 'budget',
    codes: ['budget_exceeded'],
  },
} as const satisfies Readonly<Record<string, BuiltInInspector>>

/** The built-in inspector of this name. */
export function builtInInspector(name: string): BuiltInInspector | undefined {
  return Object.hasOwn(BUILT_IN_INSPECTORS, name)
    ? BUILT_IN_INSPECTORS[name as keyof typeof BUILT_IN_INSPECTORS]
    : undefined
}
