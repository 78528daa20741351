import { compileLinear, linearPatternProblem } from '../../../policy/linear-pattern.ts'
import type { View } from '../decode/view.ts'

/** A kind of credential that the configuration adds. */
export type ExtraPattern =
  | { readonly name: string; readonly pattern: string }
  /** The value of a variable of the egress, found literally. */
  | { readonly name: string; readonly value: string }

/** Shorter values occur by chance. */
export const LEAST_VALUE = 4

/** Looks in one view; linear in its length whatever the pattern is. */
export interface CompiledExtra {
  readonly name: string
  /** The text that was found, or undefined. */
  find(view: View): string | undefined
}

/** Throws an Error with RE2's message when the pattern does not compile, a RangeError when a value is too short. */
export function compileExtra(extra: ExtraPattern): CompiledExtra {
  if ('value' in extra) return literal(extra.name, extra.value)
  const problem = linearPatternProblem(extra.pattern)
  if (problem !== undefined) throw new Error(`pattern ${extra.name}: ${problem}`)
  const compiled = compileLinear(extra.pattern)
  return {
    name: extra.name,
    find({ text }) {
      const matcher = compiled.matcher(text)
      return matcher.find() ? (matcher.group() ?? '') : undefined
    },
  }
}

function literal(name: string, value: string): CompiledExtra {
  const bytes = Buffer.from(value)
  if (bytes.length < LEAST_VALUE) throw new RangeError(`the value of ${name} is shorter than ${LEAST_VALUE} bytes`)
  return { name, find: (view) => (view.bytes.includes(bytes) ? value : undefined) }
}
