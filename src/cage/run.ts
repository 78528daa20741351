import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { AuditLog } from '../audit/log.ts'
import { isolationOf } from '../config/isolation.ts'
import type { Config } from '../config/schema.ts'
import { Egress } from '../egress/egress.ts'
import type { InspectorPlace } from '../egress/inspect/custom/load.ts'
import { CertificateAuthority } from '../egress/tls/authority.ts'
import { CageError } from '../errors.ts'
import type { WorkloadExit } from '../isolation/isolation.ts'
import { credentialGuard } from '../isolation/process/credentials.ts'
import { gatherHost, type HostFacts } from '../isolation/process/host.ts'
import { applyLimits } from '../isolation/process/limits.ts'
import { machineTap } from '../isolation/microvm/firecracker/network.ts'
import { openMoat, RESOLVER, type Moat } from '../isolation/process/moat.ts'
import { prepareWorkload } from '../isolation/process/prepare.ts'
import { resolveProject } from '../isolation/process/project.ts'
import { writeTrust } from '../isolation/trust/trust.ts'
import { cageState, ownFolders } from '../system/paths.ts'
import { inspectorFolders } from './inspector-folders.ts'
import { cageNameFor, requireRunnable, usesFirecracker } from './run-config.ts'
import { failureOf, interruptible, reportDefects } from './run-failure.ts'
import { configFileOf, reloadEgress, watchRunConfig } from './run-reload.ts'
import type { RunRequest, RunResult } from './run-request.ts'
import { startWorkload } from './run-workload.ts'
import { secretVariables } from './secret-variables.ts'
import { CageSecrets } from './secrets.ts'
import { openStateFolder } from './state-folder.ts'
import { configPathOf, foldersInReach, settingsFiles } from './settings.ts'

/** The explicit proxy's address in the cage: not one of the workload's own loopback. */
const PROXY = { address: RESOLVER, port: 3128 }

/**
 * Runs a command in a cage: egress and workload start, the command runs, and everything ends with it. What stays is the
 * cage's state: certificate authority, placeholders, audit log. Throws a CageError when nothing could be started, or
 * `egress_failed` when the egress broke while the command ran (the workload has been ended then); a StartInterrupted
 * when a signal came before the command began. Undefined when the configuration means containers: nothing was started.
 */
export async function runCage(request: RunRequest): Promise<RunResult | undefined> {
  const failure = new AbortController()
  try {
    return await runUntil(failure, request)
  } catch (error) {
    throw failure.signal.aborted ? failureOf(failure.signal.reason) : error
  }
}

async function runUntil(failure: AbortController, request: RunRequest): Promise<RunResult | undefined> {
  await using cleanup = new AsyncDisposableStack()
  const starting = cleanup.use(interruptible(failure))
  cleanup.use(reportDefects(failure))
  const serving = Promise.withResolvers<Egress>()
  const reload = (): Promise<void> => reloadEgress(request, serving.promise)
  await watchRunConfig(request, reload, cleanup)
  const file = await configFileOf(request)
  const config = file.parse()
  if (isolationOf(config) === 'container') return undefined
  requireRunnable(config)
  const host = hostOf(request)
  const moatOpening = openMoat({
    tcpPorts: portsOf(config),
    proxy: PROXY,
    helper: request.moatHelper,
    tap: usesFirecracker(config) ? machineTap() : undefined,
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
  const exit = await runWorkload({
    request,
    config,
    host,
    name,
    moat,
    authority,
    placeholders,
    failure,
    starting,
    reload,
  })
  return { exit, counts: audit.counts, auditPath: audit.path }
}

/** Facts of the host, after a look at the project: a cage that cannot start leaves no log that says it ran. */
function hostOf({ environment, workingDirectory, project }: RunRequest): HostFacts {
  const host = gatherHost({ environment, workingDirectory, ownFolders: ownFolders(environment) })
  resolveProject(project, host, credentialGuard(host.home))
  return host
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

interface WorkloadParts {
  readonly request: RunRequest
  readonly config: Config
  readonly host: HostFacts
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
  host,
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
  // Whatever ended the workload: it may be what broke the egress.
  cleanup.defer(() => {
    for (const { path, reason } of prepared.leftovers())
      log(`warning: ${path} ${reason}; look at it before you use it outside the cage`)
  })
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
  // One catches signals before the other ceases: in between, a signal would end this process and clear nothing away.
  const following = request.onStarted(workload, { plan: prepared.plan, moat, scratch, reload })
  starting[Symbol.dispose]()
  cleanup.use(await following)
  const exit = await workload.exited
  await drained
  failure.signal.throwIfAborted()
  return exit
}
