import assert from 'node:assert/strict'
import { CageError } from '../../../src/errors.ts'

/** For `assert.rejects`: a `workload_failed` whose message matches. */
export function failsWith(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CageError, String(error))
    assert.equal(error.code, 'workload_failed')
    assert.match(error.message, pattern)
    return true
  }
}
