import { PASS, type InspectionContext, type Inspector, type Verdict } from './inspector.ts'

/** How much: bodies and messages up to `maxBytes`; 0 means no bound but the total budget for bytes in flight. */
export function bodySizeInspector(maxBytes: number): Inspector {
  function inspect({ body }: InspectionContext): Verdict {
    if (maxBytes === 0 || body.length <= maxBytes) return PASS
    return { kind: 'block', reason: bodyTooLarge(body.length, maxBytes), severity: 'error', code: 'body_too_large' }
  }
  return { name: 'body-size', inspectRequest: inspect, inspectMessage: inspect }
}

/** The one text for a body over the bound, whether it was seen in `Content-Length` or counted. */
export function bodyTooLarge(size: number, maxBytes: number): string {
  return `body too large: ${size} > ${maxBytes}`
}
