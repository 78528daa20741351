import { headerValues } from '../../http/headers.ts'
import type { HeadContext, InspectionContext } from '../inspector.ts'
import type { BodyPart } from './body-parts.ts'
import { ContentViews } from './content-views.ts'
import type { KnownHeads } from './known-heads.ts'
import type { DecodeLimits } from './limits.ts'

/** All of a request: URL, host, header fields and body. */
export function viewsOfRequest(
  { host, path, headers, contentType, body }: InspectionContext,
  limits?: DecodeLimits,
  known?: KnownHeads,
): ContentViews {
  const contentEncoding = headerValues(headers, 'content-encoding').join(',')
  const surface = known?.viewsOf(host, path, headers)
  return new ContentViews({ host, path, headers, contentType, contentEncoding, body }, { limits, surface })
}

/** Header fields and body: URL and host are the workload's own. */
export function viewsOfResponse(
  { headers, contentType, body }: InspectionContext,
  limits?: DecodeLimits,
): ContentViews {
  const contentEncoding = headerValues(headers, 'content-encoding').join(',')
  return new ContentViews({ headers, contentType, contentEncoding, body }, { limits })
}

/** Only the message: the head was looked at when the stream began, and says nothing about the coding of a message. */
export function viewsOfMessage({ body }: InspectionContext, limits?: DecodeLimits): ContentViews {
  return new ContentViews({ contentType: '', contentEncoding: '', body }, { limits })
}

/** What a body or message holds, whoever asks for it. Messages have no type of their own. */
export function partsOf(context: InspectionContext): readonly BodyPart[] {
  const { protocol, contentType, body } = context
  if (body.length === 0) return []
  // Those of a WebSocket go by the original's name for them.
  if (protocol === 'websocket') return (context.views ?? viewsOfMessage(context)).partsAs(WEBSOCKET_TYPE)
  return (context.views ?? (protocol === 'grpc' ? viewsOfMessage(context) : viewsOfRequest(context))).partsAs(
    contentType,
  )
}

const WEBSOCKET_TYPE = 'application/x-websocket-frame'

/** The name that DNS is asked for. */
export function viewsOfQuestion({ host }: HeadContext): ContentViews {
  return new ContentViews({ host, contentType: '', contentEncoding: '', body: NOTHING })
}

const NOTHING = Buffer.alloc(0)
