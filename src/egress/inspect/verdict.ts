import { DENIALS } from '../denial.ts'
import type { HeadContext, Inspector, Look, Verdict } from './inspector.ts'

/** How long an inspector may think about one thing that does not say so itself, in milliseconds. */
const TIME_LIMIT = 1000

const SEVERITIES: ReadonlySet<unknown> = new Set(['info', 'warning', 'error', 'critical'])

/** A verdict of the right shape, whatever the inspector does. Never throws or rejects. */
export function ask(inspector: Inspector, look: Look, context: HeadContext): Verdict | Promise<Verdict> {
  try {
    const method = inspector[look] as (context: HeadContext) => unknown
    const answer = method.call(inspector, context)
    if (!(answer instanceof Promise)) return checked(inspector, answer)
    if (look === 'inspectQuestion') {
      answer.catch(() => {})
      return crashed(inspector, new TimeoutError())
    }
    return withinTime(answer, inspector.timeLimit ?? TIME_LIMIT)
      .then((verdict) => checked(inspector, verdict))
      .catch((error: unknown) => crashed(inspector, error))
  } catch (error) {
    return crashed(inspector, error)
  }
}

/** The verdict about something that an inspector did not judge. */
export function failure(reason: string): Verdict {
  return { kind: 'block', reason, severity: 'critical', code: 'inspector_failed' }
}

function checked(inspector: Inspector, verdict: unknown): Verdict {
  return isVerdict(verdict) ? verdict : failure(`inspector ${inspector.name} returned a malformed verdict`)
}

function crashed(inspector: Inspector, error: unknown): Verdict {
  return failure(`inspector ${inspector.name} ${error instanceof TimeoutError ? 'took too long' : 'failed'}`)
}

/** At run time an inspector may be anybody's JavaScript: the types are not enough. */
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

async function withinTime(promise: Promise<unknown>, limit: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeoutError()), limit)
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
