import { CageError } from '../../errors.ts'
import type { ProtectedValue } from './binding.ts'

/** So many values that are in no binding are kept secret: each costs time for every request. */
export const MOST_KEPT = 1024

export interface KeptValues {
  readonly kept: readonly ProtectedValue[]
  /** Those that made room. */
  readonly dropped: readonly ProtectedValue[]
}

/**
 * Makes room for what is too much among values that were secret once, the oldest first: only what has ended and opens
 * nothing any more goes. Throws CageError `secret_invalid` when that is not enough, because what may still count must be
 * neither shown nor let out: then whoever brought one more has to do without.
 */
export function keptWithin(values: readonly ProtectedValue[], now: number): KeptValues {
  const surplus = values.length - MOST_KEPT
  if (surplus <= 0) return { kept: values, dropped: [] }
  const dropped = values.filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now).slice(0, surplus)
  if (dropped.length < surplus)
    throw new CageError('secret_invalid', `more than ${MOST_KEPT} former values of secrets would have to stay secret`, {
      hint: 'Start the egress anew: values that count no longer are then forgotten.',
    })
  const gone = new Set(dropped)
  return { kept: values.filter((value) => !gone.has(value)), dropped }
}
