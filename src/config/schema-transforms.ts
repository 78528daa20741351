import * as z from 'zod'
import { parseAuthority, type Authority } from '../policy/host.ts'
import { hasPart, parseTemplate, type MessageTemplate } from '../policy/message-template.ts'

/** `transform` and `transform_config` of a rule: what is made of a secret in place of putting it in as it is. */

/** The endpoint that gives tokens: https, one authority, a path. */
export interface TokenEndpoint {
  readonly authority: Authority
  /** Path and query. */
  readonly path: string
  /** As it was written. */
  readonly url: string
}

const GOOGLE_HOSTS: readonly string[] = ['oauth2.googleapis.com', 'accounts.google.com']

const tokenUrl = z
  .string()
  .max(2048)
  .transform((text, context): TokenEndpoint => {
    const endpoint = parseEndpoint(text)
    if (endpoint !== undefined) return endpoint
    context.issues.push({ code: 'custom', input: text, message: 'must be an https:// URL with a host and a path' })
    return z.NEVER
  })

const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/, 'must be a scope: printable, without spaces')

const fieldName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'must be the name of a header field')

const minting = {
  mint_rate_per_hour: z
    .int()
    .min(1)
    .max(3600)
    .default(60)
    .meta({ description: 'How often within an hour a token is asked for, whether or not one is given.' }),
  refresh_margin: z
    .int()
    .min(0)
    .max(86_400)
    .default(300)
    .meta({ description: 'Seconds before the end of a token from which on another is asked for.' }),
}

const googleConfig = z.strictObject({
  scopes: z.array(scope).min(1, 'must name at least one scope').max(64).meta({ description: 'What the token is for.' }),
  audience: tokenUrl
    .refine(({ authority, path }) => GOOGLE_HOSTS.includes(authority.host) && !path.includes('?'), {
      message: `must be at ${GOOGLE_HOSTS.join(' or ')}`,
    })
    .prefault('https://oauth2.googleapis.com/token')
    .meta({ description: 'The token endpoint, at oauth2.googleapis.com or accounts.google.com.' }),
  ...minting,
})

const awsConfig = z.strictObject({
  access_key_id: z
    .string()
    .regex(/^[A-Za-z0-9_]{16,128}$/, 'must be an access key id')
    .optional()
    .meta({ description: 'The real access key id, where the secret is a secret access key alone.' }),
  access_key_id_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of a variable')
    .default('AWS_ACCESS_KEY_ID')
    .meta({ description: 'Variable that holds the decoy access key id in the cage.' }),
  secret_access_key_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of a variable')
    .default('AWS_SECRET_ACCESS_KEY')
    .meta({ description: 'Variable that holds the decoy secret access key in the cage.' }),
  regions: z
    .array(z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be a region'))
    .default([])
    .meta({ description: 'Regions that may be signed for. Empty: the one in the name of the host, or any.' }),
  services: z
    .array(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be a service'))
    .default([])
    .meta({
      description:
        'Services that may be signed for, such as `s3`. Empty: those that the name of the host fits, but for what gives out credentials (`sts` but for `GetCallerIdentity`, changes of `iam`, …).',
    }),
})

const oauthConfig = z.strictObject({
  token_url: tokenUrl.meta({ description: 'The token endpoint, https.' }),
  client_id: z
    .string()
    .regex(/^[\x20-\x7e]{1,512}$/, 'must be printable ASCII')
    .optional()
    .meta({ description: 'Who asks; wins over the `client_id` in the secret.' }),
  client_auth: z
    .enum(['body', 'basic'])
    .default('body')
    .meta({ description: 'Where the client id and its secret stand: in the form or in `Authorization`.' }),
  scopes: z
    .array(scope)
    .max(64)
    .default([])
    .meta({ description: 'Scopes to ask for. Empty: those that were granted.' }),
  ...minting,
})

const hmacConfig = z
  .strictObject({
    header: fieldName.meta({ description: 'The header that holds the signature.' }),
    algorithm: z.enum(['sha256', 'sha512', 'sha1']).meta({ description: 'Hash of the HMAC.' }),
    encoding: z
      .enum(['hex', 'base64', 'base64url'])
      .default('hex')
      .meta({ description: 'How the signature is written.' }),
    key_encoding: z
      .enum(['text', 'hex', 'base64'])
      .default('text')
      .meta({ description: "How the key's bytes are written in the secret." }),
    message: z.string().min(1).max(1024).transform(templateFrom).meta({
      description:
        'What is signed: text with `{method}`, `{host}`, `{target}` (path and query), `{path}`, `{query}`, `{timestamp}`, `{body}`, `{header:NAME}`; `{{` and `}}` are braces.',
    }),
    timestamp_header: fieldName.optional().meta({
      description: 'Header with the time of the request, for `{timestamp}`; filled in where it is missing.',
    }),
    timestamp_unit: z.enum(['s', 'ms']).default('s').meta({ description: 'Seconds or milliseconds since 1970.' }),
  })
  .refine(({ message, timestamp_header }) => timestamp_header !== undefined || !hasPart(message, 'timestamp'), {
    message: 'must be given where message has {timestamp}',
    path: ['timestamp_header'],
  })

const TRANSFORM = 'What is made of the secret at the moment it is needed. The secret itself is never sent.'
const CONFIG = 'Settings of the transform.'

/** One for each kind of rule; the first is for rules without a transform. */
export const TRANSFORM_SHAPES = {
  none: {
    transform: z.undefined().optional().meta({ description: TRANSFORM }),
    transform_config: z.undefined({ error: 'is for rules with a transform' }).optional().meta({ description: CONFIG }),
  },
  google: {
    transform: z.literal('google-jwt-bearer').meta({ description: TRANSFORM }),
    transform_config: googleConfig.meta({ description: CONFIG }),
  },
  aws: {
    transform: z.literal('aws-sigv4').meta({ description: TRANSFORM }),
    transform_config: awsConfig.prefault({}).meta({ description: CONFIG }),
  },
  oauth: {
    transform: z.literal('oauth2-refresh').meta({ description: TRANSFORM }),
    transform_config: oauthConfig.meta({ description: CONFIG }),
  },
  hmac: {
    transform: z.literal('hmac').meta({ description: TRANSFORM }),
    transform_config: hmacConfig.meta({ description: CONFIG }),
  },
} as const

export type GoogleConfig = z.output<typeof googleConfig>
export type AwsConfig = z.output<typeof awsConfig>
export type OauthConfig = z.output<typeof oauthConfig>
export type HmacConfig = z.output<typeof hmacConfig>

function parseEndpoint(text: string): TokenEndpoint | undefined {
  const match = /^https:\/\/([^/?#@\\]+)(\/[\x21\x22\x24-\x7e]*)$/.exec(text)
  const authority = parseAuthority(match?.[1] ?? '', 443)
  return authority === undefined || match?.[2] === undefined ? undefined : { authority, path: match[2], url: text }
}

function templateFrom(text: string, context: z.core.$RefinementCtx): MessageTemplate {
  try {
    return parseTemplate(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    context.issues.push({ code: 'custom', input: text, message: `is no template: ${error.message}` })
    return z.NEVER
  }
}
