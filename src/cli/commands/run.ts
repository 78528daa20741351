import { constants } from 'node:os'
import { StartInterrupted } from '../../cage/run-failure.ts'
import type { ContainerRunRequest } from '../../cage/container/run.ts'
import type { RunRequest, RunResult } from '../../cage/run-request.ts'
import { isolationOf } from '../../config/isolation.ts'
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
  const words = commandOf(flags, args, preset)
  const log = (message: string): void => {
    if (!flags.quiet || message.startsWith('error')) io.stderr.write(`agentcage: ${message}\n`)
  }
  // While it starts, so does the rest.
  await using moatHelper = startMoatHelper()
  try {
    const result = await runWords(words, { flags, preset, io, log, moatHelper })
    if (!flags.quiet) io.stderr.write(`${summary(result)}\n`)
    return result.exit.code
  } catch (error) {
    if (error instanceof StartInterrupted) return 128 + constants.signals[error.signal]
    throw error
  }
}

/** Containers are another way of running altogether, and an image has a command of its own: none need be named. */
async function runWords([program, ...rest]: readonly string[], options: Options): Promise<RunResult> {
  if (program === undefined) await requireContainers(options)
  else {
    const { runCage } = await import('../../cage/run.ts')
    const started = await runCage({ ...requestOf([program, ...rest], options), moatHelper: options.moatHelper })
    if (started !== undefined) return started
  }
  const { runInContainers } = await import('../../cage/container/run.ts')
  return runInContainers(await containerRequestOf(program === undefined ? [] : [program, ...rest], options))
}

async function requireContainers({ flags: { config }, preset }: Options): Promise<void> {
  const { loadConfig } = await import('../../config/load.ts')
  const named = config === undefined ? preset : await loadConfig(config)
  if (named !== undefined && isolationOf(named) === 'container') return
  throw new CageError('usage', 'COMMAND is missing', { hint: `Try 'agentcage run --help'.` })
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

interface Options {
  readonly flags: RunFlags
  readonly preset: Config | undefined
  readonly io: Io
  readonly log: (message: string) => void
  readonly moatHelper: ReturnType<typeof startMoatHelper>
}

async function containerRequestOf(command: readonly string[], options: Options): Promise<ContainerRunRequest> {
  const { scaffold } = options.flags
  const { scaffoldNamed } = await import('../../cage/scaffold/text.ts')
  const presetText = scaffold === undefined ? undefined : scaffoldNamed(scaffold).text
  return { ...commonOf(options), command, presetText }
}

function requestOf(command: RunRequest['command'], options: Options): RunRequest {
  return { ...commonOf(options), command, preset: options.preset }
}

function commonOf({ flags, io, log }: Options): Omit<RunRequest, 'command' | 'preset' | 'onStarted'> & {
  readonly onStarted: typeof forwardSignals
} {
  const secrets = flags.secret ?? []
  return {
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
