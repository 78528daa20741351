import * as z from 'zod'
import { parseAuthority, parseHostname, type Hostname } from '../policy/host.ts'
import { parseAddressRange } from '../policy/address.ts'
import { containerSection } from './schema-container.ts'
import { FRAMING_FIELDS } from '../policy/credential-fields.ts'
import {
  budgetSection,
  contentTypeSection,
  decodingSection,
  entropySection,
  hostLabelsSection,
  splitSection,
} from './schema-inspection.ts'
import { firecrackerSection, microvmSection } from './schema-microvm.ts'
import { secretSource } from './schema-secret-source.ts'
import { inspectorsSection } from './schema-inspectors.ts'
import { TRANSFORM_SHAPES } from './schema-transforms.ts'
import { linearPatternProblem } from '../policy/linear-pattern.ts'

/**
 * The configuration, as one table: every key with its type, default and documentation. `config/load.ts` turns
 * violations into `file:line:col` errors; the JSON Schema and the reference page are generated from here.
 * Objects are strict: an unknown key is an error, never ignored.
 */

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

const hostname = z.string().transform((text, context): Hostname => {
  const host = parseHostname(text)
  if (host !== undefined) return host
  context.issues.push({ code: 'custom', input: text, message: hostnameProblem(text) })
  return z.NEVER
})

const port = z.int().min(1).max(65535)

const timestamp = z.iso
  .datetime({ offset: true, error: 'must be a time with its zone, such as 2026-01-31T18:00:00Z' })
  .transform((text) => new Date(text))

const ports = z.array(port).min(1).optional()

const methods = z
  .array(z.string().regex(/^[A-Z]+$/, 'must be a method in capitals, such as GET'))
  .min(1)
  .optional()
  .meta({ description: 'Methods that match. Absent: all.' })

const paths = z.array(z.string().regex(/^\//, 'must start with /')).min(1).optional().meta({
  description: 'Path prefixes that match, whole segments: `/v1` matches `/v1` and `/v1/x`, not `/v10`. Absent: all.',
})

const domainRule = z
  .strictObject({
    host: hostname.meta({ description: 'The host; its subdomains match too.' }),
    ports: ports.meta({ description: 'Ports that match. Absent: every port but those that browsers refuse.' }),
    methods,
    paths,
    expires: timestamp.optional().meta({ description: 'When the entry ends.' }),
  })
  .meta({ description: 'A domain entry with conditions.' })

const domainEntry = z.union([hostname.transform((host): DomainRule => ({ host })), domainRule])

const hostOrAll = z.union([z.literal('*'), hostname])

const secretTarget = z
  .strictObject({
    host: hostOrAll.meta({ description: 'The host; its subdomains match too. `*` is every host.' }),
    scheme: z.enum(['https', 'http']).optional().meta({
      description:
        'How it is reached; `https` covers `wss`, and `http` `ws`. Absent: `https`. With `http` everybody on the way can read the value; not for `*`.',
    }),
    ports: ports.meta({
      description:
        "Ports that match. Absent: the scheme's own (443, or 80 for `http`), and those that an entry of `domains.list` names for the host.",
    }),
    methods,
    paths,
  })
  .refine(({ host, scheme }) => host !== '*' || scheme !== 'http', {
    path: ['scheme'],
    message: 'must not be http for every host: name the hosts that speak nothing else',
  })
  .meta({ description: 'A host with conditions.' })

const targetText = z.string().transform((text, context): SecretTarget => {
  const [, scheme, name = text] = /^(https?):\/\/(.*)$/.exec(text) ?? []
  const host = parseHostname(name)
  if (host !== undefined) return scheme === 'http' ? { host, scheme } : { host }
  context.issues.push({ code: 'custom', input: text, message: targetProblem(name, scheme) })
  return z.NEVER
})

const targetEntry = z.union([z.literal('*').transform((host): SecretTarget => ({ host })), targetText, secretTarget])

const injectHeader = z
  .string()
  .max(128)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header, such as X-Api-Secret')
  .transform((text) => text.toLowerCase())
  .refine((name) => !FRAMING_FIELDS.has(name), 'must not say where a message goes or where it ends')

const anyRule = z.strictObject({
  env: z.string().regex(ENV_NAME, 'must be a name such as ANTHROPIC_API_KEY').meta({
    description: 'Name of the secret, and of the environment variable that holds the placeholder in the cage.',
  }),
  placeholder: z
    .string()
    .min(8, 'must have at least 8 characters, so that it cannot occur by chance')
    .max(512)
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
    .optional()
    .meta({
      description:
        'What the workload holds in place of the secret. Absent: generated, `agentcage:secret:NAME:<32 hex>`.',
    }),
  inject_to: z.array(targetEntry).min(1, 'must name at least one host; write ["*"] to mean every host').meta({
    description:
      'Hosts that get the real value, by https; subdomains match too. `http://host` is a host that gets it without TLS, readable on the way. Objects have conditions. `["*"]` means every host.',
  }),
  inject_headers: z.array(injectHeader).max(64).default([]).meta({
    description: 'Header fields in which the placeholder is replaced, beside those whose name has auth, key or token.',
  }),
  inject_body: z.boolean().default(false).meta({
    description: 'Whether the placeholder is replaced in the URL, every header field, the body and messages too.',
  }),
  format: z.literal('like').optional().meta({
    description:
      '`like`: the generated placeholder has the length, the beginning and the kinds of characters of the value, for clients that check what a credential looks like.',
  }),
  source: secretSource.optional().meta({
    description:
      'Where the value comes from, and from nowhere else: `env:NAME`, `file:PATH`, `cmd:COMMAND`, `systemd-creds:NAME` or `:PATH`, `podman:NAME`, `store`, or a mapping with `cmd`. Absent: the store, then the environment.',
  }),
})

/** The rule for a transform has the keys that the transform needs. */
const secretRule = z.discriminatedUnion('transform', [
  anyRule.extend(TRANSFORM_SHAPES.none),
  anyRule.extend(TRANSFORM_SHAPES.google),
  anyRule.extend(TRANSFORM_SHAPES.aws),
  anyRule.extend(TRANSFORM_SHAPES.oauth),
  anyRule.extend(TRANSFORM_SHAPES.hmac),
])

const PATTERN_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

const patternText = z
  .string()
  .min(1)
  .max(2000)
  .superRefine((text, context) => {
    const problem = linearPatternProblem(text)
    if (problem !== undefined)
      context.addIssue({ code: 'custom', message: `must be a regular expression of RE2: ${problem}` })
  })

const extraPattern = z
  .strictObject({
    name: z
      .string()
      .regex(PATTERN_NAME, 'must be a name such as internal_token')
      .meta({ description: 'Name in reasons and in `allow_to_domains`.' }),
    pattern: patternText
      .optional()
      .meta({ description: "Regular expression in RE2's syntax: without backreferences and lookaround." }),
    env: z.string().regex(ENV_NAME, 'must be a name such as INTERNAL_TOKEN').optional().meta({
      description: 'Variable of the egress whose value is looked for literally; wins over `pattern`. It must be set.',
    }),
  })
  .refine(({ pattern, env }) => pattern !== undefined || env !== undefined, 'must have pattern or env')

const secretsSection = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether requests and messages are searched for credentials.' }),
    action: z.enum(['block', 'flag']).default('block').meta({ description: 'What happens when one is found.' }),
    undecodable: z.enum(['block', 'flag']).default('block').meta({
      description:
        'What happens to a body with a `Content-Encoding` that is unknown or does not hold, or a charset that nobody knows.',
    }),
    builtin_allow_to_domains: z.boolean().default(true).meta({
      description: "Whether a provider's credentials may go to the provider; the hosts are on the page about patterns.",
    }),
    allow_to_domains: z
      .record(z.string().regex(PATTERN_NAME, 'must be the name of a pattern'), z.array(hostname))
      .default({})
      .meta({
        description:
          'By pattern: hosts that what it finds may go to; subdomains too. Takes the place of the built-in hosts of that pattern.',
      }),
    extra_patterns: z.array(extraPattern).max(64).default([]).meta({ description: 'More to look for.' }),
  })
  .prefault({})
  .meta({ description: 'Credentials on their way out, in the URL, the header fields and the body, in any encoding.' })

const authorityKey = z
  .string()
  .refine((text) => parseAuthority(text) !== undefined, 'must be host:port, such as api.test:443')

const addressRange = z.string().refine((text) => parseAddressRange(text) !== undefined, {
  message: 'must be an address or a range, such as 10.1.0.0/16 or fd00::/8',
})

export const configSchema = z
  .strictObject({
    name: z
      .string()
      .regex(NAME, 'must be 1-63 lowercase alphanumeric characters or hyphens, starting with a letter or digit')
      .optional()
      .meta({ description: 'Name of the cage.' }),
    isolation: z
      .enum(['process', 'container', 'microvm', 'firecracker'])
      .optional()
      .meta({ description: 'How the workload is confined. Absent: `process`, or `container` when an image is named.' }),
    domains: z
      .strictObject({
        mode: z
          .enum(['allowlist', 'blocklist'])
          .default('allowlist')
          .meta({ description: '`allowlist`: only what is listed is reachable. `blocklist`: all but what is listed.' }),
        list: z
          .array(domainEntry)
          .default([])
          .meta({ description: 'Hosts, each matching its subdomains too, or objects with conditions.' }),
      })
      .optional()
      .meta({ description: 'Where the workload may go. Absent: nowhere.' }),
    secret_injection: z
      .array(secretRule)
      .max(256)
      .default([])
      .meta({ description: 'Secrets that the workload holds as placeholders only.' }),
    secrets: secretsSection,
    decoding: decodingSection,
    rate_limit: z
      .strictObject({
        requests_per_second: z
          .number()
          .min(0)
          .default(10)
          .meta({ description: 'Refill of the bucket; 0 switches the limit off.' }),
        burst: z.number().min(0).default(50).meta({ description: 'Size of the bucket, in requests.' }),
      })
      .prefault({})
      .meta({ description: 'Token bucket for each host.' }),
    entropy: entropySection,
    content_type: contentTypeSection,
    host_labels: hostLabelsSection,
    split: splitSection,
    budget: budgetSection,
    max_request_body: z
      .int()
      .min(0)
      .max(1_073_741_824)
      .default(10_485_760)
      .meta({ description: 'Largest request body or message, in bytes.' }),
    inspectors: inspectorsSection,
    max_inspected_response: z.int().min(0).max(1_073_741_824).default(10_485_760).meta({
      description:
        'Largest response body, or server-sent event, that an inspector of `inspectors` is shown, in bytes. Larger ones are refused. Where no inspector looks at responses there is no bound.',
    }),
    logging: z
      .strictObject({
        dns_queries: z.boolean().default(false).meta({
          description:
            'Write DNS queries to the audit log. Those that an inspector has something to say about are always written.',
        }),
        allowed_requests: z
          .boolean()
          .default(true)
          .meta({ description: 'Write allowed requests to the audit log, not only flagged and blocked ones.' }),
      })
      .prefault({})
      .meta({ description: 'What is recorded.' }),
    dns_servers: z
      .array(z.union([z.ipv4(), z.ipv6()], 'must be an IP address'))
      .default([])
      .meta({ description: "Resolvers that the egress asks. Empty: the host's own." }),
    ports: z
      .strictObject({
        tcp: z
          .strictObject({
            allow: z
              .array(port)
              .default([80, 443])
              .meta({ description: 'Ports on which the workload is captured transparently.' }),
          })
          .prefault({})
          .meta({ description: 'TCP.' }),
      })
      .prefault({})
      .meta({ description: 'Ports other than those of the explicit proxy.' }),
    upstream: z
      .strictObject({
        proxy: z
          .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
          .optional()
          .meta({ description: 'Corporate proxy that the egress goes through, `http://[user:password@]host:port`.' }),
        ca_file: z
          .string()
          .min(1)
          .optional()
          .meta({ description: 'PEM file with certificate authorities to trust beside the usual ones.' }),
        allow_addresses: z
          .array(addressRange)
          .default([])
          .meta({ description: 'Special ranges (private, loopback, …) that may be dialled all the same.' }),
        connect_to: z.record(authorityKey, authorityKey).default({}).meta({
          description:
            '`host:port` to dial in place of the one asked for. Names and certificates are checked as before.',
        }),
      })
      .prefault({})
      .meta({ description: 'How the egress reaches the internet.' }),
    container: containerSection,
    microvm: microvmSection,
    firecracker: firecrackerSection,
  })
  .meta({ title: 'agentcage configuration', description: 'cage.yaml' })

export type Config = z.output<typeof configSchema>
export type SecretRule = Config['secret_injection'][number]

/** A domain entry after parsing; a bare host has no conditions. */
export interface DomainRule {
  readonly host: Hostname
  readonly ports?: readonly number[] | undefined
  readonly methods?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
  readonly expires?: Date | undefined
}

/** An entry of `inject_to` after parsing; a bare host has no conditions but that of TLS. */
export interface SecretTarget {
  readonly host: Hostname | '*'
  /** Absent: `https`. */
  readonly scheme?: 'https' | 'http' | undefined
  readonly ports?: readonly number[] | undefined
  readonly methods?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
}

function targetProblem(name: string, scheme: string | undefined): string {
  if (scheme === undefined) return hostnameProblem(name)
  if (name === '*') return 'must be "*" alone for every host, which get a value by https only'
  if (/[:/?#@]/.test(name))
    return `must be ${scheme}:// and a host; ports and paths stand in {host, scheme, ports, paths}`
  return hostnameProblem(name)
}

function hostnameProblem(text: string): string {
  if (text.startsWith('*.')) return `must not start with "*.": "${text.slice(2)}" already matches its subdomains`
  if (text.includes('://')) return 'must be a host name, not a URL'
  if (/[^\x00-\x7f]/.test(text)) return 'must be written as an A-label (xn--…)'
  return 'must be a host name or an address, such as api.example.com'
}
