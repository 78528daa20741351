import assert from 'node:assert/strict'
import { parseConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problem.ts'
import { CageError } from '../../src/errors.ts'

/** What `parseConfig` says is wrong with a text; nothing for one that it takes. */
export function configProblems(text: string): readonly Problem[] {
  try {
    parseConfig(text, 'cage.yaml')
    return []
  } catch (error) {
    assert.ok(error instanceof CageError && error.code === 'config_invalid', String(error))
    return error.cause as readonly Problem[]
  }
}
