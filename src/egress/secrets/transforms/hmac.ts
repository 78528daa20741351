import { createHmac, timingSafeEqual } from 'node:crypto'
import { headerValues, withHeader } from '../../http/headers.ts'
import { hasPart, type MessageTemplate } from '../../../policy/message-template.ts'
import { renderMessage, type MessageParts } from './hmac-message.ts'
import { TransformRefused } from './refusal.ts'

export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512'
export type HmacEncoding = 'hex' | 'base64' | 'base64url'
/** How the key's bytes are written in the secret. */
export type KeyEncoding = 'text' | 'hex' | 'base64'

export interface HmacRule {
  readonly algorithm: HmacAlgorithm
  readonly encoding: HmacEncoding
  /** The field that holds the signature. */
  readonly header: string
  readonly message: MessageTemplate
  readonly timestamp: { readonly header: string; readonly unit: 's' | 'ms' } | undefined
}

/** What stands in a request where its signature belongs. */
export interface FoundSignature {
  /** The whole value of the header. */
  readonly value: string
  /** The part of it that the signature takes the place of. */
  readonly decoy: string
}

/** A request that is older or newer than this is none of now: what servers take is mostly less. */
const MAX_SKEW_MS = 5 * 60_000

/**
 * The placeholder in the rule's header, or the signature that the placeholder makes as a key (`decoy.key` undefined: it
 * is not written as a key is). Undefined when the request has no such header. Throws TransformRefused when the header
 * holds something else, or the request cannot be signed.
 */
export function findSignature(
  request: MessageParts,
  rule: HmacRule,
  {
    decoy,
    now,
  }: { readonly decoy: { readonly placeholder: string; readonly key: Buffer | undefined }; readonly now: Date },
): FoundSignature | undefined {
  const [value, ...others] = headerValues(request.headers, rule.header.toLowerCase())
  if (value === undefined) return undefined
  if (others.length > 0) throw refused(`there are several ${rule.header}`)
  const message = renderMessage(rule.message, withTimestamp(request, rule, now))
  const candidates = [decoy.placeholder, ...(decoy.key === undefined ? [] : [hmac(rule, decoy.key, message)])]
  const found = candidates.find((candidate) => endsWith(value, candidate))
  if (found === undefined) throw refused(`${rule.header} holds neither the placeholder nor the signature that it makes`)
  return { value, decoy: found }
}

/** The request's header fields with the signature in place of what was found. Throws TransformRefused. */
export function signWithHmac(
  request: MessageParts,
  rule: HmacRule,
  { found, key, now }: { readonly found: FoundSignature; readonly key: Buffer; readonly now: Date },
): readonly string[] {
  const timed = withTimestamp(request, rule, now)
  const signature = hmac(rule, key, renderMessage(rule.message, timed))
  const prefix = found.value.slice(0, found.value.length - found.decoy.length)
  return withHeader(timed.headers, rule.header, prefix + signature)
}

/** Undefined when the text is not written in that encoding. */
export function keyBytes(text: string, encoding: KeyEncoding): Buffer | undefined {
  if (encoding === 'text') return Buffer.from(text)
  const bytes = Buffer.from(text, encoding)
  const written = (encoded: string): string => encoded.toLowerCase().replace(/=+$/, '')
  const isWhole =
    encoding === 'hex'
      ? bytes.toString('hex') === text.toLowerCase()
      : [bytes.toString('base64'), bytes.toString('base64url')].some((encoded) => written(encoded) === written(text))
  return isWhole && bytes.length > 0 ? bytes : undefined
}

/** Whether it is the whole value or what follows a prefix such as `sha256=`; takes as long whatever the difference. */
function endsWith(value: string, candidate: string): boolean {
  const end = Buffer.from(value.slice(-candidate.length), 'latin1')
  const wanted = Buffer.from(candidate, 'latin1')
  return end.length === wanted.length && timingSafeEqual(end, wanted)
}

function hmac({ algorithm, encoding }: HmacRule, key: Buffer, message: Buffer): string {
  return createHmac(algorithm, key).update(message).digest(encoding)
}

/** The time that the workload says, if it is about now; one that it leaves out is filled in. */
function withTimestamp(request: MessageParts, { timestamp, message }: HmacRule, now: Date): MessageParts {
  if (timestamp === undefined) return request
  const [text, ...others] = headerValues(request.headers, timestamp.header.toLowerCase())
  if (others.length > 0) throw refused(`there are several ${timestamp.header}`)
  const unit = timestamp.unit === 's' ? 1000 : 1
  if (text === undefined) {
    if (!hasPart(message, 'timestamp')) return request
    const filled = String(Math.floor(now.getTime() / unit))
    return { ...request, timestamp: filled, headers: withHeader(request.headers, timestamp.header, filled) }
  }
  if (!/^\d{1,16}(?:\.\d{1,9})?$/.test(text) || Math.abs(Number(text) * unit - now.getTime()) > MAX_SKEW_MS)
    throw refused(`${timestamp.header} is not now`)
  return { ...request, timestamp: text }
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the request cannot be signed: ${problem}`)
}
