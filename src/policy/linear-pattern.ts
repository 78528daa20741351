import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

const require = createRequire(import.meta.url)

/**
 * A user's regular expression that takes time linear in the text, whatever it says: RE2's syntax, without
 * backreferences and lookaround. Compile what `linearPatternProblem` has no objection to.
 */
export function compileLinear(pattern: string): RE2JS {
  // Loaded when the first pattern is: most configurations have none, and every command would wait for it.
  const engine = require('re2js') as { readonly RE2JS: typeof RE2JS }
  return engine.RE2JS.compile(pattern)
}

/** Why RE2 does not take the pattern, or why it says nothing; undefined when it is sound. */
export function linearPatternProblem(pattern: string): string | undefined {
  try {
    return compileLinear(pattern).matcher('').find() ? 'matches the empty text, and so everything' : undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
