import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CageError } from '../errors.ts'
import type { WorkloadExit } from '../isolation/isolation.ts'
import { applyLimits } from '../isolation/process/limits.ts'
import type { ExecRequest, Execution } from './backend.ts'
import type { Deployment, Environment } from './deployment.ts'
import { startWorkload } from './run-workload.ts'
import { findCage } from './running-cage.ts'

/** How the terminal of who executes is; nothing else of its environment goes in. */
const TERMINAL: ReadonlySet<string> = new Set(['TERM', 'COLORTERM', 'COLUMNS', 'LINES'])

/**
 * Runs a command as another workload of the cage: in the network of the running one, with the same mounts, filter and
 * limits, made by the same launcher. It sees the files that the workload sees, not its processes.
 */
export async function execInProcessCage(deployment: Deployment, request: ExecRequest): Promise<Execution> {
  refuseEgress(request)
  const running = await findCage(deployment.stateFolder)
  if (running === undefined) throw notRunning(deployment.name)
  const { command, placeholders, log, signal } = request
  const environment = { ...running.plan.environment, ...terminalVariables(deployment.environment), ...placeholders }
  const plan = { ...running.plan, command, environment }
  await using cleanup = new AsyncDisposableStack()
  const limits = await applyLimits(plan.limits)
  cleanup.defer(() => limits.cleanup())
  for (const warning of limits.warnings) log(`warning: ${warning}`)
  const scratch = await mkdtemp(join(await realpath(tmpdir()), 'agentcage-'))
  cleanup.defer(() => rm(scratch, { recursive: true, force: true }))
  const { config, record } = deployment
  const { workload, drained } = cleanup.use(
    await startWorkload(plan, {
      config,
      moat: running.moat,
      limits,
      open: false,
      stdio: request.stdio,
      workingDirectory: record.working_directory,
      environment: deployment.environment,
      scratch,
      signal,
      log,
    }),
  )
  const rest = cleanup.move()
  const { terminal, stdin, stdout, stderr } = workload
  const exited = clearedAway(workload.exited, async () => {
    await drained
    await rest[Symbol.asyncDispose]()
  })
  return { terminal, stdin, stdout, stderr, exited, kill: (name) => workload.kill(name) }
}

export function refuseEgress({ part }: Pick<ExecRequest, 'part'>): void {
  if (part !== 'egress') return
  throw new CageError('usage', 'without containers the egress is no place of its own: there is nothing to execute in')
}

export function terminalVariables(environment: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => {
      return entry[1] !== undefined && TERMINAL.has(entry[0])
    }),
  )
}

async function clearedAway(exited: Promise<WorkloadExit>, clearAway: () => Promise<void>): Promise<WorkloadExit> {
  try {
    return await exited
  } finally {
    await clearAway()
  }
}

export function notRunning(name: string): CageError {
  return new CageError('cage_not_running', `cage is not running — start it with 'agentcage cage start ${name}' first`)
}
