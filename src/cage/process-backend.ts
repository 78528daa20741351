import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CageError } from '../errors.ts'
import { gatherHost } from '../isolation/process/host.ts'
import { LAUNCH_PROGRAMS, requireProgram } from '../isolation/process/launch-programs.ts'
import { RESOLVER } from '../isolation/process/moat.ts'
import { planWorkload } from '../isolation/process/plan.ts'
import { serviceUnitName } from '../isolation/process/service-unit.ts'
import { userManager, type UserManager } from '../isolation/systemd/user-manager.ts'
import { writeFileAtomic } from '../system/files.ts'
import { ownFolders } from '../system/paths.ts'
import type { Backend, JournalSelection, Part } from './backend.ts'
import type { Deployment } from './deployment.ts'
import { execInProcessCage, notRunning } from './process-exec.ts'
import { IDLE_COMMAND, processUnits, serviceEnvironment, unitPath } from './process-service.ts'
import { findCage } from './running-cage.ts'
import { serviceState } from './service-state.ts'

/** `isolation: process` as a service: one systemd user unit that runs the supervisor, egress and workload in one. */
export const processBackend: Backend = {
  isolation: 'process',

  async requireHost(environment) {
    for (const program of LAUNCH_PROGRAMS) requireProgram(program)
    userManager(environment)
  },

  async decide(draft) {
    checkPlan(draft)
    return {}
  },

  units: processUnits,

  async install(deployment) {
    const manager = userManager(deployment.environment)
    for (const { path, content } of processUnits(deployment)) {
      await mkdir(dirname(path), { recursive: true })
      await writeFileAtomic(path, content, { mode: 0o644 })
    }
    await must(manager, ['daemon-reload'])
    await must(manager, ['--quiet', 'enable', serviceUnitName(deployment.name)])
  },

  async start({ name, environment, config }) {
    const manager = userManager(environment)
    const unit = serviceUnitName(name)
    await manager.systemctl(['reset-failed', unit])
    const limit = config.container.timeout_start_sec
    const timeout = limit === null || limit === 0 ? 2_147_483_647 : (limit + 10) * 1000
    const { code, stderr } = await manager.systemctl(['start', unit], timeout)
    if (code !== 0) throw await startFailure(manager, name, stderr)
  },

  async stop({ name, environment, config }) {
    const timeout = (config.container.timeout_stop_sec + 15) * 1000
    await must(userManager(environment), ['stop', serviceUnitName(name)], timeout)
  },

  async reload({ name, stateFolder }) {
    const running = await findCage(stateFolder)
    if (running === undefined) throw notRunning(name)
    process.kill(running.pid, 'SIGHUP')
  },

  async remove(name, environment) {
    const path = unitPath(name, environment)
    const unit = serviceUnitName(name)
    const manager = userManager(environment)
    // Cage and unit may be in any state, as after a create that was cut off: what is not there need not be removed.
    await manager.systemctl(['stop', unit], 120_000)
    await manager.systemctl(['--quiet', 'disable', unit])
    const found = existsSync(path)
    await rm(path, { force: true })
    await must(manager, ['daemon-reload'])
    await manager.systemctl(['reset-failed', unit])
    return found ? [unit] : []
  },

  async status({ name, environment }) {
    const unit = serviceUnitName(name)
    const [state] = await userManager(environment).show([unit])
    return [{ unit, part: 'cage', state: serviceState(state) }]
  },

  exec: execInProcessCage,

  journal: journalOf,
}

/** The workload's messages have its own name; all else is the egress's. */
function journalOf(name: string, parts: readonly Part[]): JournalSelection {
  const identifiers = [
    ...(parts.includes('cage') ? [`${name}-cage`] : []),
    ...(parts.includes('proxy') || parts.includes('dns') ? [`${name}-proxy`] : []),
  ]
  return [...identifiers.flatMap((identifier) => ['--identifier', identifier]), '--unit', serviceUnitName(name)]
}

/** Mounts, project and programs, as the start will find them; what is refused is refused before anything is saved. */
function checkPlan(draft: Deployment): void {
  const { config, configPath, name, record, environment } = draft
  const [program, ...rest] = config.container.command ?? IDLE_COMMAND
  planWorkload({
    config: { ...config, name },
    command: [program ?? IDLE_COMMAND[0], ...rest],
    project: record.project,
    settings: [configPath],
    host: gatherHost({
      environment: serviceEnvironment(draft),
      workingDirectory: record.working_directory,
      ownFolders: ownFolders(environment),
    }),
    trust: { mounts: [], environment: {} },
    proxy: `http://${RESOLVER}:3128`,
    nameserver: RESOLVER,
    placeholders: {},
    scratch: join(draft.stateFolder, 'scratch'),
  })
}

async function must(manager: UserManager, args: readonly string[], timeout?: number): Promise<void> {
  const { code, stderr, error } = await manager.systemctl(args, timeout)
  if (code === 0) return
  const problem = stderr.trim() || error?.message || 'it did not answer in time'
  throw new CageError('service_failed', `systemctl --user ${args.join(' ')}: ${problem}`)
}

const LAST_LINES = 12

async function startFailure(manager: UserManager, name: string, problem: string): Promise<CageError> {
  const unit = serviceUnitName(name)
  const lines = await manager.lastLines([...journalOf(name, ['cage', 'proxy'])], LAST_LINES)
  const said = lines.length === 0 ? [problem.trim()] : lines
  return new CageError('service_failed', `${unit} did not start`, {
    hint: [...said, `journalctl --user -u ${unit} has all of it.`].join('\n'),
  })
}
