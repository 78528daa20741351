import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import type { Ask } from '../secrets/transforms/minter.ts'
import { TransformRefused } from '../secrets/transforms/refusal.ts'
import { requestToken } from '../secrets/transforms/token-request.ts'
import type { ExchangeableRule } from '../secrets/transforms/transforms.ts'
import { ExchangeRecord } from './exchange-record.ts'
import { headerValue } from './headers.ts'
import type { JudgedRequest } from './inbound.ts'
import { writeRecord } from './refusal.ts'

/** Asks token endpoints in the egress's own name. Each time is one audit record; without one nothing is asked. */
export function askFor(core: EgressCore): Ask {
  return async (request) => {
    const { authority, path } = request.endpoint
    const record = new ExchangeRecord(core, 'http/1.1', 'POST', { ...authority, path })
    record.setDestination({ scheme: 'https', authority, path })
    if (!core.audit.usable())
      throw new Denial('audit_unavailable', 'the audit log cannot be written', { retryAfter: 5 })
    let failure: Denial | undefined
    try {
      const response = await requestToken(core.ruling().upstream, request)
      record.status = 200
      record.noteInjection({ injected: [request.name], left: [] })
      return response
    } catch (error) {
      if (error instanceof TransformRefused) failure = unusable(error)
      throw error
    } finally {
      // What was answered cannot be asked again: a new refresh token must be kept, whether or not the log takes the record.
      // The exchange that needs the token will not get past the log.
      writeRecord(core, record, failure)
    }
  }
}

/** What the workload is told when a transform cannot do its work; anything else as it is. */
export function asDenial(error: unknown): unknown {
  return error instanceof TransformRefused ? unusable(error) : error
}

/**
 * The answer to a workload that asks for a token itself, with a placeholder for a refresh token: what the egress gets
 * for the real one, tokens replaced by placeholders. Undefined when that is not what it asks. Rejects with a Denial.
 */
export async function answerTokenRequest(
  core: EgressCore,
  { transforms }: Ruling,
  { destination, method, headers, body }: JudgedRequest,
): Promise<{ readonly name: string; readonly body: Buffer } | undefined> {
  if (destination.scheme !== 'https' || method !== 'POST') return undefined
  const rules = transforms.exchangeableAt(destination)
  const asked = rules.length === 0 ? undefined : refreshTokenIn(headerValue(headers, 'content-type') ?? '', body)
  const rule = rules.find(({ placeholder }) => placeholder === asked)
  if (rule === undefined) return undefined
  try {
    return { name: rule.name, body: await answerFor(core, rule) }
  } catch (error) {
    throw asDenial(error)
  }
}

async function answerFor(core: EgressCore, rule: ExchangeableRule): Promise<Buffer> {
  const { token, scope } = await rule.exchangeable.exchange(askFor(core))
  const answer = {
    access_token: rule.placeholder,
    token_type: 'Bearer',
    expires_in: Math.max(0, Math.floor((token.expiresAt - core.clock().getTime()) / 1000)),
    refresh_token: rule.placeholder,
    ...(token.companion === undefined ? {} : { id_token: rule.companionPlaceholder }),
    ...(scope === undefined ? {} : { scope }),
  }
  // What was granted is the endpoint's text, in which it may have written anything.
  return core
    .ruling()
    .secrets.bodyRedactor()
    .whole(Buffer.from(JSON.stringify(answer)))
}

/** Bytes. Taking a form of millions of fields apart would hold up everybody. */
const MOST_TOKEN_REQUEST = 65_536

/** The `refresh_token` of a request by RFC 6749 section 6, in a form or, as some clients send it, in JSON. */
function refreshTokenIn(contentType: string, body: Buffer): string | undefined {
  if (body.length > MOST_TOKEN_REQUEST) return undefined
  const fields = contentType.includes('json') ? parseJson(body) : new Map(new URLSearchParams(body.toString()))
  return fields.get('grant_type') === 'refresh_token' ? fields.get('refresh_token') : undefined
}

function parseJson(body: Buffer): ReadonlyMap<string, string> {
  try {
    const value: unknown = JSON.parse(body.toString())
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
    return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch {
    return new Map()
  }
}

function unusable(error: TransformRefused): Denial {
  const { message, kind, cause } = error
  return new Denial('secret_unusable', message, {
    ...(kind === 'source' ? { status: 502, retryAfter: 5 } : {}),
    ...(cause === undefined ? {} : { cause }),
  })
}
