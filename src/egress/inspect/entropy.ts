import type { BodyPart } from './decode/body-parts.ts'
import { partsOf } from './decode/context-views.ts'
import { MOST_PLAIN_ENTROPY } from './decode/plain-text.ts'
import { Exemptions, type ExemptTypes } from './entropy-exempt.ts'
import { UrlInspector, type UrlChecks } from './entropy-url.ts'
import { PASS, type HeadContext, type InspectionContext, type Inspector, type Verdict } from './inspector.ts'
import { entropyOf, mergedHistogram } from './shannon.ts'

export interface EntropySettings extends ExemptTypes, UrlChecks {
  /** Bits a byte. */
  readonly threshold: number
  readonly min_body_bytes: number
  readonly action: 'flag' | 'block'
}

const NAME = 'entropy'
const BODY = 'high entropy body'

/**
 * How random: encrypted and compressed data has nearly 8 bits a byte, text and code 4 to 6. Looks at what leaves:
 * bodies and messages without what is exempt, and values in URLs.
 */
export function entropyInspector(settings: EntropySettings): Inspector {
  const exemptions = new Exemptions(settings)
  const urls = new UrlInspector(settings)

  function verdict(reason: string | undefined): Verdict {
    return reason === undefined ? PASS : { kind: settings.action, reason, severity: 'warning' }
  }

  function inspectBody(context: InspectionContext): Verdict {
    if (context.direction === 'inbound' || context.body.length === 0) return PASS
    const parts = partsOf(context)
    if (settings.threshold > MOST_PLAIN_ENTROPY && parts.every(({ isPlain }) => isPlain)) return PASS
    const judged = parts.filter((part) => !exemptions.isExempt(context.host, part))
    const entropy = highest(judged)
    if (entropy < settings.threshold) return PASS
    return verdict(`${BODY}: ${entropy.toFixed(2)} (threshold ${settings.threshold.toFixed(1)})`)
  }

  /** Of one part, or of all together, so that neither much text nor many small parts hide it. 0: too little to judge. */
  function highest(parts: readonly BodyPart[]): number {
    const alone = parts.map(({ bytes, entropy }) => (bytes.length < settings.min_body_bytes ? 0 : entropy))
    if (parts.length < 2) return alone[0] ?? 0
    const size = parts.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const together = entropyOf(mergedHistogram(parts.map(({ histogram }) => histogram)))
    return Math.max(...alone, size < settings.min_body_bytes ? 0 : together)
  }

  return {
    name: NAME,
    inspectHead: ({ host, path }: HeadContext) => verdict(urls.judge(host, path)),
    inspectRequest: inspectBody,
    // One flag says it for a whole stream, or a million frames would be a million findings in one record.
    inspectMessage: (context) =>
      settings.action === 'flag' && hasFlag(context, NAME, BODY) ? PASS : inspectBody(context),
  }
}

/** Whether the exchange bears a flag of the inspector whose reason starts like this. */
export function hasFlag({ priorResults }: HeadContext, name: string, start: string): boolean {
  return priorResults.some((finding) => finding.name === name && finding.reason.startsWith(start))
}
