import { headerValues } from '../../http/headers.ts'
import type { HeadContext, InspectionContext } from '../inspector.ts'
import { ContentViews } from './content-views.ts'

/** All of a request: URL, host, header fields and body. */
export function viewsOfRequest({ host, path, headers, contentType, body }: InspectionContext): ContentViews {
  const contentEncoding = headerValues(headers, 'content-encoding').join(',')
  return new ContentViews({ host, path, headers, contentType, contentEncoding, body })
}

/** Header fields and body: URL and host are the workload's own. */
export function viewsOfResponse({ headers, contentType, body }: InspectionContext): ContentViews {
  const contentEncoding = headerValues(headers, 'content-encoding').join(',')
  return new ContentViews({ headers, contentType, contentEncoding, body })
}

/** Only the message: the head was looked at when the stream began, and says nothing about the coding of a message. */
export function viewsOfMessage({ body }: InspectionContext): ContentViews {
  return new ContentViews({ contentType: '', contentEncoding: '', body })
}

/** The name that DNS is asked for. */
export function viewsOfQuestion({ host }: HeadContext): ContentViews {
  return new ContentViews({ host, contentType: '', contentEncoding: '', body: NOTHING })
}

const NOTHING = Buffer.alloc(0)
