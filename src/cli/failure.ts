import { constants } from 'node:os'
import { StartInterrupted } from '../cage/run-failure.ts'
import { CageError } from '../errors.ts'
import { NoHomeError } from '../system/paths.ts'
import { printable } from '../system/printable.ts'
import type { Io } from './io.ts'

/** Prints a failure as a person should see it and returns the exit code. */
export function reportFailure(error: unknown, io: Io): number {
  // What failed first is why; clearing away after it failed too.
  if (error instanceof SuppressedError) {
    const code = reportFailure(error.suppressed, io)
    reportFailure(error.error, io)
    return code
  }
  if (error instanceof CageError) {
    // An indented line goes on with the one before: names, or what a program said.
    for (const line of linesOf(error.message)) io.stderr.write(line.startsWith('  ') ? `${line}\n` : `error: ${line}\n`)
    for (const line of linesOf(error.hint ?? '').filter(Boolean)) io.stderr.write(`  ${line}\n`)
    return error.exitCode
  }
  if (error instanceof StartInterrupted) {
    io.stderr.write(`error: ${error.message}; all is as it was before\n`)
    return 128 + constants.signals[error.signal]
  }
  if (error instanceof NoHomeError) {
    io.stderr.write(`error: ${error.message}\n  Set HOME to a folder of this user's.\n`)
    return 1
  }
  io.stderr.write(`error: internal: ${linesOf(defectText(error, io.env)).join('\n')}\n`)
  return 1
}

/** Names of files may stand in a message, and whoever named them may not act on the terminal. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').map(printable)
}

/** A stack names paths of this machine and means nothing to most people: only on request. */
function defectText(error: unknown, env: Io['env']): string {
  if (!(error instanceof Error)) return String(error)
  return env['AGENTCAGE_DEBUG'] === '1' ? (error.stack ?? error.message) : error.message
}
