import { isWithin, type Hostname } from '../../policy/host.ts'
import type { ContentViews } from './decode/content-views.ts'
import { viewsOfMessage, viewsOfQuestion, viewsOfRequest } from './decode/context-views.ts'
import type { Decoding } from './decode/limits.ts'
import type { View } from './decode/view.ts'
import { withoutTexts } from './exempt-text.ts'
import { PASS, type HeadContext, type Inspector, type Severity, type Verdict } from './inspector.ts'
import { isAllowedTo, type Allowance } from './patterns/allowance.ts'
import { isLikelyChance } from './patterns/chance.ts'
import { compileExtra, type CompiledExtra, type ExtraPattern } from './patterns/extra.ts'
import { PatternMatcher, type Hit } from './patterns/matcher.ts'
import type { SecretPattern } from './patterns/pattern.ts'
import { SECRET_PATTERNS } from './patterns/table.ts'
import { finished, type Steps } from './steps.ts'
import { paced, PACED_TIME_LIMIT } from './pace.ts'
import { undecodedVerdict } from './undecoded.ts'

export interface SecretsOptions extends Allowance {
  readonly action: 'block' | 'flag'
  /** A `Content-Encoding` that cannot be undone. */
  readonly undecodable: 'block' | 'flag'
  readonly decoding: Decoding
  readonly extra: readonly ExtraPattern[]
  /** What is no secret on its way to these hosts, such as placeholders that look like one. */
  readonly exempt: readonly ExemptText[]
}

export interface ExemptText {
  readonly text: string
  readonly hosts: readonly (Hostname | '*')[]
}

/**
 * What: credentials of known formats, in whatever encoding they stand, on their way to somebody who did not issue them.
 * Throws when an extra pattern cannot be used.
 */
export function secretsInspector(options: SecretsOptions): Inspector {
  const scan = new SecretScan(options)
  const { limits } = options.decoding
  return {
    name: 'secrets',
    timeLimit: PACED_TIME_LIMIT,
    inspectRequest: (context) => paced(scan.judge(context, context.views ?? viewsOfRequest(context, limits))),
    inspectMessage: (context) =>
      context.direction === 'outbound'
        ? paced(scan.judge(context, context.views ?? viewsOfMessage(context, limits)))
        : PASS,
    inspectQuestion: (context) => finished(scan.judge(context, viewsOfQuestion(context))),
  }
}

interface Names {
  readonly certain: string | undefined
  readonly guess: string | undefined
}

class SecretScan {
  readonly #options: SecretsOptions
  readonly #matcher = new PatternMatcher(SECRET_PATTERNS)
  readonly #extra: readonly CompiledExtra[]

  constructor(options: SecretsOptions) {
    this.#options = options
    this.#extra = options.extra.map(compileExtra)
  }

  /** The first block in the order of the views; without one, the first flag. */
  *judge({ host, priorResults }: HeadContext, views: ContentViews): Steps<Verdict> {
    const { action, undecodable, decoding } = this.#options
    let flag: Verdict | undefined
    let isFound = false
    for (const view of views.paced()) {
      if (typeof view === 'number') {
        yield view
        continue
      }
      // What is found is told already; what cannot be decoded is known when all was taken.
      if (isFound) continue
      // A head is kept with its host.
      const { certain, guess } = view.isKept
        ? view.found(this, () => finished(this.#namesIn(view, host)))
        : yield* this.#namesIn(view, host)
      if (certain !== undefined) {
        const verdict = verdictOf(action, `secret detected: ${certain}`, 'critical')
        if (action === 'block') return verdict
        flag = verdict
        isFound = true
      }
      if (guess !== undefined) flag ??= verdictOf('flag', `secret detected: ${guess}`, 'warning')
    }
    const unknown = unknownIn(views)
    if (unknown !== undefined) {
      const verdict = verdictOf(undecodable, `cannot be decoded: ${printable(unknown)}`, 'error')
      if (undecodable === 'block') return verdict
      flag ??= verdict
    }
    const undecoded = undecodedVerdict(views, decoding, priorResults)
    return undecoded.kind === 'block' ? undecoded : (flag ?? undecoded)
  }

  /** The first kinds in the order of the table that may not go to `host`. */
  *#namesIn(view: View, host: Hostname): Steps<Names> {
    let certain: SecretPattern | undefined
    let guess: string | undefined
    let chances = 0
    const isChance = ({ pattern, start, end }: Hit): boolean =>
      chances < MOST_CHANCES && isLikelyChance(pattern, view.bytes, { start, end })
    yield* this.#matcher.steps(view.bytes, (hit) => {
      const { pattern } = hit
      // A body may be made of hits: what would change nothing is not looked at any closer.
      if (certain !== undefined && rankOf(pattern) >= rankOf(certain)) return false
      if (isAllowedTo(pattern, host, this.#options) || this.#isExempt(view, hit, host)) return false
      if (pattern.isGuess === true) guess ??= pattern.name
      else if (isChance(hit)) {
        chances += 1
        guess ??= pattern.name
      } else certain = pattern
      return false
    })
    const extra = this.#extra.find(
      (candidate) =>
        !isAllowedTo({ name: candidate.name, domains: [] }, host, this.#options) && candidate.find(view) !== undefined,
    )
    return { certain: certain?.name ?? extra?.name, guess }
  }

  /** Whether the hit is one for nothing but texts that may go to this host: what stands beside them counts by itself. */
  #isExempt({ bytes }: View, { pattern, start, end }: Hit, host: Hostname): boolean {
    const texts = this.#options.exempt
      .filter(({ hosts }) => hosts.some((zone) => zone === '*' || isWithin(host, zone)))
      .map(({ text }) => text)
    const rest = withoutTexts(bytes, { start, end }, texts)
    if (rest === undefined) return false
    // A guess goes by the name in front, which stays: `Credential=` with the rest of an AWS scope would be one.
    if (pattern.isGuess === true) return true
    let isLeft = false
    this.#matcher.search(rest, (hit) => (isLeft = hit.pattern === pattern))
    return !isLeft
  }
}

/** More hits than this in one body are not there by chance; each of them takes a while to judge. */
const MOST_CHANCES = 64

const RANKS = new Map(SECRET_PATTERNS.map((pattern, rank) => [pattern, rank]))

function rankOf(pattern: SecretPattern): number {
  return RANKS.get(pattern) ?? Infinity
}

function verdictOf(action: 'block' | 'flag', reason: string, severity: Severity): Verdict {
  return { kind: action, reason, severity }
}

function unknownIn({ undecodable, unknownCharset }: ContentViews): string | undefined {
  if (undecodable !== undefined) return `content-encoding ${undecodable}`
  return unknownCharset === undefined ? undefined : `charset ${unknownCharset}`
}

/** It came from the workload. */
function printable(text: string): string {
  return text.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')
}
