import { CageError } from '../errors.ts'

/**
 * A defect anywhere in this process ends the workload: an egress that is broken must not be one that is open. Whoever
 * listened for defects before would end this process at once, and nothing would be cleared away.
 */
export function reportDefects(failure: AbortController): Disposable {
  const before = process.listeners('uncaughtException')
  const onDefect = (error: unknown): void => failure.abort(error)
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', onDefect).on('unhandledRejection', onDefect)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onDefect).off('unhandledRejection', onDefect)
      for (const listener of before) process.on('uncaughtException', listener)
    },
  }
}

/** A signal came before there was a workload to get it. */
export class StartInterrupted extends Error {
  override readonly name = 'StartInterrupted'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal} before the cage was ready`)
    this.signal = signal
  }
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Until it is disposed of, a signal ends the start and everything made for it is cleared away. */
export function interruptible(failure: AbortController): Disposable {
  const handlers = ENDING.map((signal) => ({ signal, handler: () => failure.abort(new StartInterrupted(signal)) }))
  for (const { signal, handler } of handlers) process.on(signal, handler)
  return {
    [Symbol.dispose]() {
      for (const { signal, handler } of handlers) process.off(signal, handler)
    },
  }
}

/** Awaits a step that has to come to its end. A signal that came meanwhile is why it failed, or fails it. */
export async function uninterrupted<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await step
  } finally {
    signal.throwIfAborted()
  }
}

/** Awaits a step that may be left where it is at a signal: what undoes it ends it. */
export async function untilInterrupted<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>()
  const onAbort = (): void => interrupted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await uninterrupted(Promise.race([step, interrupted.promise]), signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** What a failure that ended everything means to who started it. */
export function failureOf(cause: unknown): Error {
  if (cause instanceof StartInterrupted) return cause
  const problem = cause instanceof Error ? cause.message : String(cause)
  return new CageError('egress_failed', `the egress failed and the workload was ended: ${problem}`, { cause })
}
