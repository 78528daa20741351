import { CageError } from '../errors.ts'
import type { Io } from './io.ts'

/** Prints a failure as a person should see it and returns the exit code. */
export function reportFailure(error: unknown, io: Io): number {
  if (error instanceof CageError) {
    for (const line of error.message.split('\n')) io.stderr.write(`error: ${line}\n`)
    if (error.hint !== undefined) io.stderr.write(`  ${error.hint}\n`)
    return error.exitCode
  }
  io.stderr.write(`error: internal: ${defectText(error, io.env)}\n`)
  return 1
}

/** A stack names paths of this machine and means nothing to most people: only on request. */
function defectText(error: unknown, env: Io['env']): string {
  if (!(error instanceof Error)) return String(error)
  return env['AGENTCAGE_DEBUG'] === '1' ? (error.stack ?? error.message) : error.message
}
