import { pipeline, type Readable } from 'node:stream'
import type { EgressCore } from '../core.ts'
import { Denial } from '../denial.ts'
import { decodersFor } from '../secrets/content-coding.ts'
import type { UpstreamResponse } from '../upstream/upstream.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { endToEnd, headerValues, type HeaderList } from './headers.ts'

/** `Alt-Svc` would lead the client to HTTP/3, which has no way out of the cage (RFC 7838). */
export function responseFields({ headers }: UpstreamResponse): HeaderList {
  return endToEnd(headers, isAlternative)
}

/** The same for a body that is redacted. */
export function redactedFields({ headers }: UpstreamResponse): HeaderList {
  return endToEnd(headers, (name) => isAlternative(name) || isFramingField(name))
}

function isAlternative(name: string): boolean {
  return name === 'alt-svc'
}

/** A redacted body is sent in the clear and has another length; a digest of it would be wrong. */
export function isFramingField(name: string): boolean {
  return (
    name === 'content-length' ||
    name === 'content-encoding' ||
    name === 'content-md5' ||
    name === 'content-digest' ||
    name === 'digest'
  )
}

/** The body with its content codings undone as it arrives. Throws a Denial where one is unknown. */
export function decoded(body: Readable, headers: HeaderList): Readable {
  const codings = headerValues(headers, 'content-encoding').join(', ')
  const decoders = decodersFor(codings)
  if (decoders === undefined)
    throw new Denial('encoding_unsupported', 'the response has a content coding that cannot be decoded')
  const last = decoders.at(-1)
  if (last === undefined) return body
  pipeline([body, ...decoders], () => {}) // Errors surface on the last stream, which the relay listens to.
  return last
}

/** The record is written before the response ends: an answer that could not be recorded stays incomplete. */
export async function finish(core: EgressCore, record: ExchangeRecord): Promise<void> {
  try {
    await record.writeSoon()
  } catch (error) {
    core.log(`audit: ${error instanceof Error ? error.message : String(error)}`)
    throw new Denial('audit_unavailable', 'the audit log cannot be written')
  }
}
