import { constants } from 'node:os'
import { StartInterrupted } from '../../cage/run-failure.ts'
import type { RunRequest, RunResult } from '../../cage/run-request.ts'
import type { Config } from '../../config/schema.ts'
import { CageError } from '../../errors.ts'
import { startMoatHelper } from '../../isolation/process/moat-process.ts'
import { forwardSignals } from '../forward-signals.ts'
import type { Io } from '../io.ts'
import { renderTable } from '../render/table.ts'
import type { RunFlags } from '../routes/run.ts'

/** `agentcage run`: the command's exit code is ours. One line at the end says what the egress decided. */
export async function run(flags: RunFlags, args: readonly string[], io: Io): Promise<number> {
  if (flags.list) return listScaffolds(io)
  const preset = flags.scaffold === undefined ? undefined : await presetOf(flags)
  const [program, ...rest] = commandOf(flags, args, preset)
  if (program === undefined) throw new CageError('usage', 'COMMAND is missing', { hint: `Try 'agentcage run --help'.` })
  const log = (message: string): void => {
    if (!flags.quiet || message.startsWith('error')) io.stderr.write(`agentcage: ${message}\n`)
  }
  // While it starts, so does the rest.
  await using moatHelper = startMoatHelper()
  try {
    const { runCage } = await import('../../cage/run.ts')
    const result = await runCage({ ...requestOf({ program, rest, flags, preset, io, log }), moatHelper })
    if (!flags.quiet) io.stderr.write(`${summary(result)}\n`)
    return result.exit.code
  } catch (error) {
    if (error instanceof StartInterrupted) return 128 + constants.signals[error.signal]
    throw error
  }
}

async function listScaffolds(io: Io): Promise<number> {
  const { SCAFFOLDS } = await import('../../cage/scaffold/text.ts')
  const rows = SCAFFOLDS.map(({ name, isolation, brief }) => [name, isolation, brief])
  io.stdout.write(renderTable([{ title: 'SCAFFOLD' }, { title: 'ISOLATION' }, { title: 'RUNS' }], rows))
  return 0
}

async function presetOf({ scaffold: name = '', config }: RunFlags): Promise<Config> {
  if (config !== undefined)
    throw new CageError('usage', '--scaffold and -c cannot be combined: each is a configuration')
  const { scaffoldNamed, scaffoldText } = await import('../../cage/scaffold/text.ts')
  const { parseConfig } = await import('../../config/load.ts')
  const { name: _, ...preset } = parseConfig(scaffoldText(scaffoldNamed(name), 'scaffold'), `scaffold ${name}`)
  return preset
}

function commandOf(
  { withArguments }: RunFlags,
  args: readonly string[],
  preset: Config | undefined,
): readonly string[] {
  const own = preset?.container.command ?? []
  if (withArguments) return [...own, ...args]
  return args.length === 0 ? own : args
}

interface Parts {
  readonly program: string
  readonly rest: readonly string[]
  readonly flags: RunFlags
  readonly preset: Config | undefined
  readonly io: Io
  readonly log: (message: string) => void
}

function requestOf({ program, rest, flags, preset, io, log }: Parts): RunRequest {
  const secrets = flags.secret ?? []
  return {
    command: [program, ...rest],
    configPath: flags.config,
    preset,
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
