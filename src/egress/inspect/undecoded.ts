import type { ContentViews } from './decode/content-views.ts'
import type { Decoding } from './decode/limits.ts'
import { PASS, type Finding, type Verdict } from './inspector.ts'

const TOO_DEEP = 'too much nesting to decode'
const TOO_LARGE = 'too much to decode'
const TOO_MANY = 'too many contents to decode'

/**
 * What to say of content of which all views were taken, and in which there is more than they show. A flag is raised by
 * one inspector; a block by whoever comes first.
 */
export function undecodedVerdict(
  { isTooDeep, isTooMany, isTooLarge }: Pick<ContentViews, 'isTooDeep' | 'isTooMany' | 'isTooLarge'>,
  { tooDeep, tooMany, tooLarge }: Pick<Decoding, 'tooDeep' | 'tooMany' | 'tooLarge'>,
  prior: readonly Finding[],
): Verdict {
  if (isTooDeep && tooDeep === 'block') return { kind: 'block', reason: TOO_DEEP, severity: 'error' }
  if (isTooMany && tooMany === 'block') return { kind: 'block', reason: TOO_MANY, severity: 'error' }
  if (isTooLarge && tooLarge === 'block') return { kind: 'block', reason: TOO_LARGE, severity: 'error' }
  if (!isTooDeep && !isTooMany && !isTooLarge) return PASS
  const reason = isTooDeep ? TOO_DEEP : isTooMany ? TOO_MANY : TOO_LARGE
  return prior.some((finding) => finding.reason === reason) ? PASS : { kind: 'flag', reason, severity: 'warning' }
}
