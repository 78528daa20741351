import { DENIALS, Denial } from '../denial.ts'
import { viewsOfMessage, viewsOfRequest } from './decode/context-views.ts'
import type { Finding, HeadContext, InspectionContext, Inspector, Verdict } from './inspector.ts'

/** What the chain says: the findings so far, and the denial if one of them blocks. */
export interface ChainResult {
  readonly findings: readonly Finding[]
  readonly denial?: Denial
}

const SEVERITIES: ReadonlySet<unknown> = new Set(['info', 'warning', 'error', 'critical'])

/** How long one inspector may think about one thing. */
const TIME_LIMIT_MS = 1000

/**
 * The inspectors in their order. The first block ends it; flags accumulate. An inspector that throws, takes too long
 * or returns something malformed blocks: only reaching the end of the chain allows.
 */
export class InspectorChain {
  readonly #inspectors: readonly Inspector[]

  constructor(inspectors: readonly Inspector[]) {
    this.#inspectors = inspectors
  }

  inspectHead(context: HeadContext): Promise<ChainResult> {
    return this.#run(context, (inspector) => inspector.inspectHead?.bind(inspector))
  }

  inspectRequest(context: InspectionContext): Promise<ChainResult> {
    return this.#run({ ...context, views: viewsOfRequest(context) }, (inspector) =>
      inspector.inspectRequest?.bind(inspector),
    )
  }

  inspectMessage(context: InspectionContext): Promise<ChainResult> {
    return this.#run({ ...context, views: viewsOfMessage(context) }, (inspector) =>
      inspector.inspectMessage?.bind(inspector),
    )
  }

  async #run<Context extends HeadContext>(
    context: Context,
    method: (inspector: Inspector) => ((context: Context) => Verdict | Promise<Verdict>) | undefined,
  ): Promise<ChainResult> {
    let current = context
    for (const inspector of this.#inspectors) {
      const look = method(inspector)
      if (look === undefined) continue
      const answer = ask(inspector, look, current)
      // Most inspectors answer at once; only those that do not cost a turn of the event loop.
      const verdict = answer instanceof Promise ? await answer : answer
      if (verdict.kind === 'pass') continue
      const finding = { name: inspector.name, action: verdict.kind, reason: verdict.reason, severity: verdict.severity }
      const findings = [...current.priorResults, finding]
      if (verdict.kind === 'block') return { findings, denial: denialOf(verdict) }
      current = { ...current, priorResults: findings }
    }
    return { findings: current.priorResults }
  }
}

/** A verdict of the right shape, whatever the inspector does. Never throws or rejects. */
function ask<Context>(
  inspector: Inspector,
  look: (context: Context) => Verdict | Promise<Verdict>,
  context: Context,
): Verdict | Promise<Verdict> {
  try {
    const answer: unknown = look(context)
    if (!(answer instanceof Promise)) return checked(inspector, answer)
    return withinTime(answer)
      .then((verdict) => checked(inspector, verdict))
      .catch((error: unknown) => crashed(inspector, error))
  } catch (error) {
    return crashed(inspector, error)
  }
}

function checked(inspector: Inspector, verdict: unknown): Verdict {
  return isVerdict(verdict) ? verdict : failure(`inspector ${inspector.name} returned a malformed verdict`)
}

function crashed(inspector: Inspector, error: unknown): Verdict {
  return failure(`inspector ${inspector.name} ${error instanceof TimeoutError ? 'took too long' : 'failed'}`)
}

function failure(reason: string): Verdict {
  return { kind: 'block', reason, severity: 'critical', code: 'inspector_failed' }
}

function denialOf(verdict: Extract<Verdict, { kind: 'block' }>): Denial {
  const options = verdict.retryAfter === undefined ? {} : { retryAfter: verdict.retryAfter }
  return new Denial(verdict.code ?? 'inspector_blocked', verdict.reason, options)
}

/** At run time an inspector may be anybody's JavaScript: the types above are not enough. */
function isVerdict(value: unknown): value is Verdict {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (value.kind === 'pass') return true
  if (value.kind !== 'flag' && value.kind !== 'block') return false
  const { reason, severity, code, retryAfter } = value as Readonly<Record<string, unknown>>
  const isKnown = code === undefined || (typeof code === 'string' && Object.hasOwn(DENIALS, code))
  const isWait = retryAfter === undefined || (Number.isSafeInteger(retryAfter) && (retryAfter as number) >= 0)
  return typeof reason === 'string' && SEVERITIES.has(severity) && isKnown && isWait
}

class TimeoutError extends Error {}

async function withinTime(promise: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeoutError()), TIME_LIMIT_MS)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
