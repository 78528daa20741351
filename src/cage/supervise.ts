import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { CageError } from '../errors.ts'
import { CANNOT_START } from '../isolation/process/service-unit.ts'
import type { Workload } from '../isolation/process/launch.ts'
import { notifySystemd } from '../isolation/systemd/notify.ts'
import { findProgram } from '../system/process.ts'
import { keptInspectors } from './deployment-inspectors.ts'
import { loadDeployment, type Deployment, type Environment } from './deployment.ts'
import { InForceReport } from './in-force.ts'
import { serveSessions } from './machine-exec/server.ts'
import { IDLE_COMMAND, serviceEnvironment } from './process-service.ts'
import type { StartedCage } from './run-request.ts'
import { runCage } from './run.ts'
import { openPipe } from './run-stdio.ts'
import { publishCage } from './running-cage.ts'
import { openStateFolder } from './state-folder.ts'

/**
 * Runs a cage of process isolation as a service, as `run` does: egress and workload in one, until the command ends or
 * SIGTERM asks for it. SIGHUP reads configuration and secrets again. Yields the exit code for systemd.
 */
export async function superviseCage(name: string, environment: Environment): Promise<number> {
  const log = (message: string): void => void process.stderr.write(`${message}\n`)
  let stopping = false
  let begun = false
  try {
    const deployment = await loadDeployment(name, environment)
    const stateFolder = await openStateFolder(deployment.stateFolder)
    const report = new InForceReport(stateFolder)
    await using output = await openJournal(`${name}-cage`)
    const result = await runCage({
      ...requestOf(deployment),
      stdio: ['ignore', output.descriptor, output.descriptor],
      log,
      service: {
        name,
        source: deployment.record.source,
        inspectors: keptInspectors(name, environment),
        tell: (sha256, problem) =>
          report.tell(sha256, problem).catch((error: unknown) => log(`cannot tell what is in force: ${String(error)}`)),
      },
      onStarted: async (workload, cage) => {
        output.release()
        begun = true
        const signals = handleSignals(workload, cage, () => (stopping = true))
        const published = await publish(stateFolder, workload, cage)
        await notifySystemd(['--ready', '--status=serving'], environment)
        return disposeBoth(signals, published)
      },
    })
    await notifySystemd(['--status=ended'], environment)
    if (result === undefined)
      return refuse(new CageError('config_invalid', `cage '${name}' is none of containers`), log)
    return stopping ? 0 : result.exit.code
  } catch (error) {
    if (stopping) return 0
    if (!begun && error instanceof CageError && error.exitCode === 2) return refuse(error, log)
    throw error
  }
}

/** Lets others find the cage, and enter its machine where it is one. */
async function publish(stateFolder: string, { enter }: Workload, cage: StartedCage): Promise<AsyncDisposable> {
  if (enter === undefined) return publishCage(stateFolder, cage)
  const sessions = join(cage.scratch, 'sessions')
  const served = await serveSessions(sessions, enter)
  const published = await publishCage(stateFolder, { ...cage, sessions })
  return {
    async [Symbol.asyncDispose]() {
      await published[Symbol.asyncDispose]()
      await served[Symbol.asyncDispose]()
    },
  }
}

/** A configuration that is wrong stays wrong: systemd is not to try it again. */
function refuse(error: CageError, log: (message: string) => void): number {
  log(`error: ${error.message}`)
  if (error.hint !== undefined) log(`  ${error.hint}`)
  return CANNOT_START
}

function requestOf(
  deployment: Deployment,
): Pick<
  Parameters<typeof runCage>[0],
  'command' | 'configPath' | 'additions' | 'secrets' | 'project' | 'workingDirectory' | 'environment'
> {
  const { config, configPath, record } = deployment
  const [program, ...rest] = config.container.command ?? IDLE_COMMAND
  return {
    command: [program ?? IDLE_COMMAND[0], ...rest],
    configPath,
    additions: { allow: [], secretNames: [] },
    secrets: [],
    project: record.project,
    workingDirectory: record.working_directory,
    environment: serviceEnvironment(deployment),
  }
}

function handleSignals(workload: Workload, { reload }: StartedCage, onStop: () => void): Disposable {
  const stop = (): void => {
    onStop()
    workload.kill('SIGTERM')
  }
  const onHangUp = (): void => void reload()
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', onHangUp)
  return {
    [Symbol.dispose]() {
      process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', onHangUp)
    },
  }
}

function disposeBoth(signals: Disposable, published: AsyncDisposable): Disposable & AsyncDisposable {
  return {
    [Symbol.dispose]: () => signals[Symbol.dispose](),
    async [Symbol.asyncDispose]() {
      signals[Symbol.dispose]()
      await published[Symbol.asyncDispose]()
    },
  }
}

interface Journal extends AsyncDisposable {
  /** A pipe that the workload may write to. */
  readonly descriptor: number
  /** To be called once the workload has it: from then on its end is theirs. */
  release(): void
}

/**
 * Where the workload's output goes: the journal, under a name of its own, so that nothing it writes can pass for the
 * egress's. A real pipe, since programs open `/dev/stdout` again.
 */
async function openJournal(identifier: string): Promise<Journal> {
  const [reading, writing] = await openPipe()
  const writer = startWriter(identifier, reading)
  closeSync(reading)
  let open = true
  const release = (): void => {
    if (open) closeSync(writing)
    open = false
  }
  return {
    descriptor: writing,
    release,
    async [Symbol.asyncDispose]() {
      release()
      await ended(writer)
    },
  }
}

/** Not our own standard output: that is the egress's. Without a journal, all goes to standard error in one. */
function startWriter(identifier: string, input: number): ChildProcess {
  const program = findProgram('systemd-cat')
  const cat = findProgram('cat') ?? 'cat'
  const [file, args] =
    program === undefined || process.env['JOURNAL_STREAM'] === undefined
      ? [cat, []]
      : [program, ['--identifier', identifier, '--level-prefix', 'no', cat]]
  return spawn(file, args, { stdio: [input, 2, 2], env: {} })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  await new Promise<void>((resolve) => void child.once('exit', () => resolve()))
}
