import { MOST_FINDINGS } from '../../audit/fields.ts'
import { Denial } from '../denial.ts'
import { viewsOfMessage, viewsOfRequest, viewsOfResponse } from './decode/context-views.ts'
import { KnownHeads } from './decode/known-heads.ts'
import type { DecodeLimits } from './decode/limits.ts'
import type { Finding, HeadContext, InspectionContext, Inspector, Look, ResponseContext, Verdict } from './inspector.ts'
import { Lane } from './lane.ts'
import { ask } from './verdict.ts'

/** What the chain says: the findings so far, and the denial if one of them blocks. */
export interface ChainResult {
  readonly findings: readonly Finding[]
  readonly denial?: Denial
}

const LOOKS: readonly Look[] = ['inspectHead', 'inspectRequest', 'inspectResponse', 'inspectMessage', 'inspectQuestion']

/**
 * The inspectors in their order, for every kind of traffic. The first block ends it; flags accumulate. An inspector
 * that throws, takes too long or returns something malformed blocks: only reaching the end of the chain allows.
 */
export class InspectorChain {
  /** In their order. */
  readonly names: readonly string[]
  readonly #heads = new KnownHeads()
  readonly #asked: Readonly<Record<Look, readonly Inspector[]>>
  readonly #lane = new Lane()
  readonly #limits: DecodeLimits | undefined

  /** `limits`: of what is decoded for them; the usual ones when absent. */
  constructor(inspectors: readonly Inspector[], limits?: DecodeLimits) {
    this.#limits = limits
    this.names = inspectors.map(({ name }) => name)
    const asked = LOOKS.map((look) => [look, inspectors.filter((inspector) => inspector[look] !== undefined)])
    this.#asked = Object.fromEntries(asked) as Record<Look, readonly Inspector[]>
  }

  /** Whether any inspector looks at this kind of traffic. */
  has(look: Look): boolean {
    return this.#asked[look].length > 0
  }

  inspectHead(context: HeadContext): ChainResult | Promise<ChainResult> {
    return this.#run('inspectHead', context)
  }

  inspectRequest(context: InspectionContext): ChainResult | Promise<ChainResult> {
    const views = viewsOfRequest(context, this.#limits, this.#heads)
    return this.#inLane(context, () => this.#run('inspectRequest', { ...context, views }))
  }

  inspectResponse(context: ResponseContext): ChainResult | Promise<ChainResult> {
    return this.#run('inspectResponse', { ...context, views: viewsOfResponse(context, this.#limits) })
  }

  inspectMessage(context: InspectionContext): ChainResult | Promise<ChainResult> {
    const views = viewsOfMessage(context, this.#limits)
    return this.#inLane(context, () => this.#run('inspectMessage', { ...context, views }))
  }

  /** Large bodies take longer and more memory: only a few of them are looked at at a time. */
  #inLane(
    { body, priorResults }: InspectionContext,
    look: () => ChainResult | Promise<ChainResult>,
  ): ChainResult | Promise<ChainResult> {
    if (body.length <= LARGE) return look()
    return this.#lane.run(look).then((result) => result ?? { findings: priorResults, denial: busy() })
  }

  /** At once: an inspector that wants to wait is taken for one that failed. */
  inspectQuestion(context: HeadContext): ChainResult {
    return this.#run('inspectQuestion', context) as ChainResult
  }

  /** The loop. Most inspectors answer at once; only for those that do not it waits, and goes on with their verdict. */
  #run(
    look: Look,
    context: HeadContext | InspectionContext,
    { from, late }: { readonly from: number; readonly late?: Verdict } = { from: 0 },
  ): ChainResult | Promise<ChainResult> {
    const asked = this.#asked[look]
    let current = context
    for (let index = from; index < asked.length; index += 1) {
      const inspector = asked[index] as Inspector
      const verdict = index === from && late !== undefined ? late : ask(inspector, look, current)
      if (verdict instanceof Promise) {
        const waiting = current
        return verdict.then((settled) => this.#run(look, waiting, { from: index, late: settled }))
      }
      if (verdict.kind === 'pass') continue
      const findings = withFinding(current.priorResults, {
        name: inspector.name,
        action: verdict.kind,
        reason: verdict.reason,
        severity: verdict.severity,
      })
      if (verdict.kind === 'block') return { findings, denial: denialOf(verdict) }
      current = { ...current, priorResults: findings }
    }
    return { findings: current.priorResults }
  }
}

/** In bytes. */
const LARGE = 262_144

function busy(): Denial {
  return new Denial('inspector_failed', 'too many large bodies wait to be inspected')
}

/** A stream of a million messages must not become a million findings: each is kept once, and no more than are recorded. */
function withFinding(prior: readonly Finding[], finding: Finding): readonly Finding[] {
  if (finding.action === 'block') return [...prior, finding]
  const isKnown = prior.some(({ name, reason }) => name === finding.name && reason === finding.reason)
  return isKnown || prior.length >= MOST_FINDINGS ? prior : [...prior, finding]
}

function denialOf(verdict: Extract<Verdict, { kind: 'block' }>): Denial {
  const options = verdict.retryAfter === undefined ? {} : { retryAfter: verdict.retryAfter }
  return new Denial(verdict.code ?? 'inspector_blocked', verdict.reason, options)
}
