import { constants } from 'node:os'
import { StartInterrupted } from '../../cage/run-failure.ts'
import { runCage, type RunRequest, type RunResult } from '../../cage/run.ts'
import { CageError } from '../../errors.ts'
import { forwardSignals } from '../forward-signals.ts'
import type { Io } from '../io.ts'
import type { RunFlags } from '../routes/run.ts'

/** `agentcage run`: the command's exit code is ours. One line at the end says what the egress decided. */
export async function run(flags: RunFlags, args: readonly string[], io: Io): Promise<number> {
  const [program, ...rest] = args
  if (program === undefined) throw new CageError('usage', 'there is no command to run')
  const log = (message: string): void => {
    if (!flags.quiet || message.startsWith('error')) io.stderr.write(`agentcage: ${message}\n`)
  }
  try {
    const result = await runCage(requestOf({ program, rest, flags, io, log }))
    if (!flags.quiet) io.stderr.write(`${summary(result)}\n`)
    return result.exit.code
  } catch (error) {
    if (error instanceof StartInterrupted) return 128 + constants.signals[error.signal]
    throw error
  }
}

interface Parts {
  readonly program: string
  readonly rest: readonly string[]
  readonly flags: RunFlags
  readonly io: Io
  readonly log: (message: string) => void
}

function requestOf({ program, rest, flags, io, log }: Parts): RunRequest {
  const secrets = flags.secret ?? []
  return {
    command: [program, ...rest],
    configPath: flags.config,
    additions: { allow: flags.allow ?? [], secretNames: secrets.map(({ name }) => name) },
    secrets: secrets.flatMap(({ value }) => (value === undefined ? [] : [value])),
    project: flags.project ?? '.',
    workingDirectory: io.cwd(),
    environment: io.env,
    stdio: ['inherit', 'inherit', 'inherit'],
    log,
    onStarted: forwardSignals,
  }
}

function summary({ counts, auditPath }: RunResult): string {
  return `${counts.allowed} allowed, ${counts.flagged} flagged, ${counts.blocked} blocked - audit: ${auditPath}`
}
