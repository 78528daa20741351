import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { AuditLog } from '../audit/log.ts'
import type { ConfigFile } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { watchConfig } from '../config/watch.ts'
import { Egress } from '../egress/egress.ts'
import type { KeptInspectors } from '../egress/inspect/custom/kept-program.ts'
import type { InspectorPlace } from '../egress/inspect/custom/load.ts'
import { CertificateAuthority } from '../egress/tls/authority.ts'
import { CageError } from '../errors.ts'
import type { WorkloadExit, WorkloadPlan } from '../isolation/isolation.ts'
import { gatherHost } from '../isolation/process/host.ts'
import type { MoatNamespaces, Workload } from '../isolation/process/launch.ts'
import { applyLimits } from '../isolation/process/limits.ts'
import { openMoat, RESOLVER, type Moat } from '../isolation/process/moat.ts'
import type { MoatHelper } from '../isolation/process/moat-process.ts'
import { prepareWorkload } from '../isolation/process/prepare.ts'
import { writeTrust } from '../isolation/trust/trust.ts'
import type { Secret } from '../secrets/secret.ts'
import { cageState, configHome, stateHome } from '../system/paths.ts'
import { inspectorFolders } from './inspector-folders.ts'
import { cageNameFor, emptyConfig, requireRunnable, withAdditions, type RunAdditions } from './run-config.ts'
import { failureOf, interruptible, reportDefects } from './run-failure.ts'
import { startWorkload, type StartOptions } from './run-workload.ts'
import { secretVariables } from './secret-variables.ts'
import { CageSecrets } from './secrets.ts'
import { openStateFolder } from './state-folder.ts'
import { configPathOf, foldersInReach, isConfigInProject, settingsFiles } from './settings.ts'

/** One command in a cage of its own, from nothing to nothing. */
export interface RunRequest {
  readonly command: readonly [string, ...string[]]
  /** Path of a configuration; absent: nothing is reachable but what `additions` allow. */
  readonly configPath: string | undefined
  /** What to go by where there is no file, such as a scaffold. */
  readonly preset?: Config | undefined
  readonly additions: RunAdditions
  /** Values given for this run. */
  readonly secrets: readonly Secret[]
  /** The project folder, as named. */
  readonly project: string
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdio: StartOptions['stdio']
  /** For the operator: warnings, and what the egress has to say. */
  readonly log: (message: string) => void
  /** Called once the command has begun: forwards signals to it. Returns what undoes that. */
  readonly onStarted: (workload: Workload, cage: StartedCage) => Disposable | Promise<Disposable>
  /** Started ahead; the caller disposes of it. */
  readonly moatHelper?: MoatHelper | undefined
  /** For a cage that stays. */
  readonly service?: CageService | undefined
}

/** A cage whose name and state are its own: nothing else may use them meanwhile. */
export interface CageService {
  readonly name: string
  /** Where its configuration came from, absolute: relative paths of secrets start there. */
  readonly source: string
  readonly inspectors: KeptInspectors
  /** Tells which configuration is in force, by its digest, or why one is not. Does not throw. */
  readonly tell: (configSha256: string, problem?: string) => Promise<void>
}

/** What others need to work with a cage that runs. */
export interface StartedCage {
  readonly plan: WorkloadPlan
  readonly moat: MoatNamespaces
  /** Folder for this run; only this user may enter it. */
  readonly scratch: string
  /** Reads configuration and secrets again. Never throws: how it went is logged and told. */
  readonly reload: () => Promise<void>
}

export interface RunResult {
  readonly exit: WorkloadExit
  readonly counts: AuditLog['counts']
  readonly auditPath: string
}

/** The explicit proxy's address in the cage: not one of the workload's own loopback. */
const PROXY = { address: RESOLVER, port: 3128 }

/**
 * Runs a command in a cage: egress and workload start, the command runs, and everything ends with it. What stays is the
 * cage's state: certificate authority, placeholders, audit log. Throws a CageError when nothing could be started, or
 * `egress_failed` when the egress broke while the command ran (the workload has been ended then); a StartInterrupted
 * when a signal came before the command began.
 */
export async function runCage(request: RunRequest): Promise<RunResult> {
  const failure = new AbortController()
  try {
    return await runUntil(failure, request)
  } catch (error) {
    throw failure.signal.aborted ? failureOf(failure.signal.reason) : error
  }
}

async function runUntil(failure: AbortController, request: RunRequest): Promise<RunResult> {
  await using cleanup = new AsyncDisposableStack()
  const starting = cleanup.use(interruptible(failure))
  cleanup.use(reportDefects(failure))
  const serving = Promise.withResolvers<Egress>()
  const reload = (): Promise<void> => reloadEgress(request, serving.promise)
  await watch(request, reload, cleanup)
  const file = await configFileOf(request)
  const config = file.parse()
  requireRunnable(config)
  const moatOpening = openMoat({
    tcpPorts: portsOf(config),
    proxy: PROXY,
    helper: request.moatHelper,
    signal: failure.signal,
  })
  moatOpening.catch(() => {}) // Awaited below; what comes before may fail first.
  cleanup.defer(async () => (await moatOpening.catch(() => undefined))?.close())
  const name = request.service?.name ?? cageNameFor(config, resolve(request.workingDirectory, request.project))
  const { audit, stateFolder } = await openState(name, request)
  cleanup.use(audit)
  if (audit.tornFile !== undefined)
    request.log(`warning: the audit log ended in an unfinished line, now in ${audit.tornFile}`)
  const authority = await CertificateAuthority.open(join(stateFolder, 'ca'), { cage: name })
  const places = {
    environment: request.environment,
    configPath: request.service?.source ?? configPathOf(request),
    reach: foldersInReach(config, request),
  }
  const secrets = cleanup.use(
    new CageSecrets({
      ...places,
      cage: name,
      stateFolder,
      given: request.secrets,
      signal: failure.signal,
      log: request.log,
    }),
  )
  const moat = await moatOpening
  const egress = await startEgress({
    config,
    moat,
    audit,
    authority,
    bindings: secrets.bindings,
    inspectors: request.service?.inspectors ?? inspectorFolders(places),
    log: request.log,
  })
  cleanup.defer(() => egress.close({ drainMs: 0 }))
  secrets.follow(egress)
  const placeholders = await secretVariables(config, stateFolder)
  await request.service?.tell(file.sha256)
  serving.resolve(egress)
  const exit = await runWorkload({ request, config, name, moat, authority, placeholders, failure, starting, reload })
  return { exit, counts: audit.counts, auditPath: audit.path }
}

/** The configuration file with what the command line adds; its digest is '' where there is none. */
async function configFileOf({ configPath, preset, additions }: RunRequest): Promise<ConfigFile> {
  if (configPath === undefined) return { sha256: '', parse: () => withAdditions(preset ?? emptyConfig(), additions) }
  // Reading YAML and the schema are a good part of a start; without a file there is nothing to read.
  const { readConfigFile } = await import('../config/load.ts')
  const file = await readConfigFile(configPath)
  return { sha256: file.sha256, parse: () => withAdditions(file.parse(), additions) }
}

function portsOf(config: Config): readonly number[] {
  const named = config.domains?.list.flatMap((rule) => rule.ports ?? []) ?? []
  return [...new Set([...config.ports.tcp.allow, ...named])].filter((port) => port !== 53)
}

interface OpenState {
  readonly audit: AuditLog
  readonly stateFolder: string
}

/** Runs of one name at once get state of their own, numbered: an audit log has one writer. */
const RUNS_AT_ONCE = 32

async function openState(name: string, { environment, service }: RunRequest): Promise<OpenState> {
  for (let run = 1; ; run++) {
    const stateFolder = await openStateFolder(cageState(run === 1 ? name : `${name}-${run}`, environment))
    try {
      return { audit: AuditLog.open(join(stateFolder, 'audit.jsonl'), { cage: name }), stateFolder }
    } catch (error) {
      if (
        run === RUNS_AT_ONCE ||
        service !== undefined ||
        !(error instanceof CageError && error.code === 'audit_in_use')
      )
        throw error
    }
  }
}

interface EgressParts {
  readonly config: Config
  readonly moat: Moat
  readonly audit: AuditLog
  readonly authority: CertificateAuthority
  readonly bindings: CageSecrets['bindings']
  readonly inspectors: InspectorPlace
  readonly log: (message: string) => void
}

async function startEgress({ moat, ...parts }: EgressParts): Promise<Egress> {
  const { egress } = await Egress.start({
    ...parts,
    proxy: [{ server: moat.proxy }],
    transparent: moat.transparent.map(({ handle, port }) => ({ source: { server: handle }, meant: port })),
    dns: { udp: moat.dnsUdp, tcp: [moat.dnsTcp] },
    address: { ipv4: RESOLVER },
  })
  return egress
}

/**
 * The configuration file stays in force as it is edited; one that cannot be used changes nothing, and neither does one
 * that the workload may have edited. It is watched before it is read, so that a change in between is not missed.
 */
async function watch(request: RunRequest, reload: () => Promise<void>, cleanup: AsyncDisposableStack): Promise<void> {
  if (request.configPath === undefined) return
  const ending = new AbortController()
  cleanup.defer(() => ending.abort())
  const inProject = await isConfigInProject(request, request.project)
  const onChange = async (): Promise<void> => {
    if (inProject) request.log(`warning: ${request.configPath} has changed. ${WITHIN_REACH}`)
    else await reload()
  }
  await watchConfig(request.configPath, { signal: ending.signal, onChange })
}

async function reloadEgress(request: RunRequest, serving: Promise<Egress>): Promise<void> {
  const egress = await serving
  let sha256 = ''
  let problem: string | undefined
  try {
    const file = await configFileOf(request)
    sha256 = file.sha256
    await egress.reload(file.parse())
    request.log(
      'configuration reloaded: what it says of the network is in force; mounts, environment and captured ports are those of the start',
    )
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
    request.log(`configuration not reloaded, the last good one stays in force: ${problem}`)
  }
  await request.service?.tell(sha256, problem)
}

const WITHIN_REACH =
  'It lies in the project, within reach of the workload: look at it; what it says counts from the next run on'

interface WorkloadParts {
  readonly request: RunRequest
  readonly config: Config
  readonly name: string
  readonly moat: Moat
  readonly authority: CertificateAuthority
  readonly placeholders: Readonly<Record<string, string>>
  readonly failure: AbortController
  /** Ends what catches signals during the start. */
  readonly starting: Disposable
  readonly reload: () => Promise<void>
}

async function runWorkload({
  request,
  config,
  name,
  moat,
  authority,
  placeholders,
  failure,
  starting,
  reload,
}: WorkloadParts): Promise<WorkloadExit> {
  const { environment, workingDirectory, log } = request
  failure.signal.throwIfAborted()
  await using cleanup = new AsyncDisposableStack()
  const scratch = await mkdtemp(join(await realpath(tmpdir()), 'agentcage-'))
  cleanup.defer(() => rm(scratch, { recursive: true, force: true }))
  const host = gatherHost({
    environment,
    workingDirectory,
    ownFolders: [stateHome(environment), configHome(environment)],
  })
  const prepared = prepareWorkload({
    config: { ...config, name },
    command: request.command,
    project: resolve(workingDirectory, request.project),
    settings: settingsFiles(request, config),
    host,
    trust: writeTrust(join(scratch, 'trust'), authority.certificatePem),
    proxy: `http://${PROXY.address}:${PROXY.port}`,
    nameserver: RESOLVER,
    placeholders,
    scratch,
  })
  cleanup.use(prepared)
  const limits = await applyLimits(prepared.plan.limits)
  cleanup.defer(() => limits.cleanup())
  for (const warning of [...prepared.warnings, ...limits.warnings]) log(`warning: ${warning}`)
  const started = await startWorkload(prepared.plan, {
    config,
    moat,
    limits,
    workingDirectory,
    environment,
    scratch,
    log,
    open: request.service !== undefined,
    stdio: request.stdio,
    signal: failure.signal,
  })
  cleanup.use(started)
  const { workload, drained } = started
  starting[Symbol.dispose]()
  cleanup.use(await request.onStarted(workload, { plan: prepared.plan, moat, scratch, reload }))
  const exit = await workload.exited
  await drained
  failure.signal.throwIfAborted()
  for (const { path, reason } of prepared.leftovers())
    log(`warning: ${path} ${reason}; look at it before you use it outside the cage`)
  return exit
}
