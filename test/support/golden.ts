import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Compares `actual` with the golden file at `path`. With `AGENTCAGE_UPDATE_GOLDEN=1` it writes the file instead:
 * look at the difference before you commit it.
 */
export function assertGolden(path: string, actual: string): void {
  if (process.env['AGENTCAGE_UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, actual)
    return
  }
  assert.equal(actual, readFileSync(path, 'utf8'), `differs from ${path}`)
}
