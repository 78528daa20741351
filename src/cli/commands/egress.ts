import { once } from 'node:events'
import { isIPv4, isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import { AuditLog } from '../../audit/log.ts'
import { readConfigFile } from '../../config/load.ts'
import { CageError } from '../../errors.ts'
import { watchConfig } from '../../config/watch.ts'
import { InForceReport } from '../../cage/in-force.ts'
import { keptInspectors } from '../../cage/deployment-inspectors.ts'
import { inspectorFolders } from '../../cage/inspector-folders.ts'
import { CageSecrets } from '../../cage/secrets.ts'
import { openStateFolder } from '../../cage/state-folder.ts'
import { Egress, type EgressAddresses, type EgressOptions } from '../../egress/egress.ts'
import { publishedConfig } from '../../egress/published.ts'
import { CertificateAuthority } from '../../egress/tls/authority.ts'
import type { Config } from '../../config/schema.ts'
import { findPlaces } from '../../isolation/trust/places.ts'
import { FOR_ANY_IMAGE, writeTrust } from '../../isolation/trust/trust.ts'
import type { Authority } from '../../policy/host.ts'
import type { PublishedAddress } from '../arguments.ts'
import type { Io } from '../io.ts'
import type { EgressFlags } from '../routes/egress.ts'

const DEFAULT_NAME = 'egress'

/** `agentcage egress`: serves until SIGTERM or SIGINT. Only the ready line goes to standard output. */
export async function egress(flags: EgressFlags, _args: readonly [], io: Io): Promise<number> {
  if (flags.proxy === undefined && flags.transparent === undefined && flags.dns === undefined) {
    throw new CageError('usage', 'nothing to listen on', {
      hint: 'Name a listener: --proxy 127.0.0.1:0, --transparent 127.0.0.1:0=443 or --dns 127.0.0.1:0',
    })
  }
  const log = (message: string): void => void io.stderr.write(`${message}\n`)
  await using cleanup = new AsyncDisposableStack()
  const serving = Promise.withResolvers<Serving>()
  const reload = async (): Promise<void> => reloadFrom(flags, await serving.promise)
  // Watched before it is read: a change in between is not missed.
  await watchUntil(cleanup, flags.config, reload)
  const file = await readConfigFile(flags.config)
  const config = configFor(flags, file.parse())
  const cage = flags.name ?? config.name ?? DEFAULT_NAME
  const state = await openStateFolder(flags.state)
  const report = new InForceReport(state)
  const authority = await openAuthority(flags, state, cage)
  const audit = cleanup.use(AuditLog.open(resolve(flags.audit ?? join(state, 'audit.jsonl')), { cage }))
  if (audit.tornFile !== undefined) log(`warning: the audit log ended in an unfinished line, now in ${audit.tornFile}`)
  const secrets = cleanup.use(
    new CageSecrets({
      cage,
      stateFolder: state,
      environment: io.env,
      configPath: resolve(flags.config),
      values: flags.values,
      log,
    }),
  )
  const { egress: running, addresses } = await Egress.start({
    config,
    bindings: secrets.bindings,
    inspectors: flags.recordedInspectors
      ? keptInspectors(cage, io.env)
      : inspectorFolders({ configPath: resolve(flags.config), environment: io.env, reach: [] }),
    audit,
    ...(authority === undefined ? {} : { authority }),
    proxy: flags.proxy ?? [],
    transparent: (flags.transparent ?? []).map((source) => ({ source, meant: source.meant ?? 0 })),
    ...(flags.dns === undefined
      ? {}
      : { dns: { addresses: flags.dns.map(({ host, port }) => ({ address: host, port })) } }),
    address: answerAddress(flags),
    log,
  })
  cleanup.defer(() => running.close())
  secrets.follow(running)
  const published = await startInbound(flags, { config, audit, authority, log })
  if (published !== undefined) cleanup.defer(() => published.inbound.close())
  await report.tell(file.sha256)
  serving.resolve({ running, inbound: published?.inbound, report, log })
  const onHangUp = (): void => void reload()
  process.on('SIGHUP', onHangUp)
  cleanup.defer(() => void process.off('SIGHUP', onHangUp))
  // Whoever reads the line may end us in the same moment.
  const ended = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  io.stdout.write(
    `${JSON.stringify(readyLine({ ...addresses, published: published?.addresses ?? [] }, authority?.certificatePath, audit.path))}\n`,
  )
  await ended
  return 0
}

/** Ports of the workload's that are reached from outside have an egress of their own, turned round. */
async function startInbound(
  { publish, proxy = [] }: EgressFlags,
  parts: Pick<EgressOptions, 'config' | 'audit' | 'log'> & { readonly authority: CertificateAuthority | undefined },
): Promise<{ readonly inbound: Egress; readonly addresses: readonly string[] } | undefined> {
  if (publish === undefined || parts.authority === undefined) return undefined
  const started = await Egress.start({
    ...parts,
    authority: parts.authority,
    config: publishedConfig(parts.config, targetsOf(publish)),
    bindings: async () => [],
    published: publish.map(({ target, ...source }) => ({ source, target, inside: proxy.map(({ host }) => host) })),
    address: { ipv4: '127.0.0.1' },
  })
  return { inbound: started.egress, addresses: started.addresses.published }
}

function targetsOf(publish: readonly PublishedAddress[] | undefined): readonly Authority[] {
  return (publish ?? []).map(({ target }) => target)
}

/** DNS alone decides by names; secrets and what else looks into traffic are none of its business. */
function configFor(flags: EgressFlags, config: Config): Config {
  if (!isDnsAlone(flags)) return config
  return {
    ...config,
    secret_injection: [],
    inspectors: [],
    secrets: { ...config.secrets, enabled: false },
    upstream: { ...config.upstream, ca_file: undefined, proxy: undefined },
  }
}

function isDnsAlone({ proxy, transparent }: EgressFlags): boolean {
  return proxy === undefined && transparent === undefined
}

/** Opened or made, and its public side shown to the workload where that is asked for. */
async function openAuthority(
  flags: EgressFlags,
  state: string,
  cage: string,
): Promise<CertificateAuthority | undefined> {
  if (isDnsAlone(flags)) return undefined
  const authority = await CertificateAuthority.open(flags.ca ?? join(state, 'ca'), { cage })
  if (flags.trust !== undefined)
    writeTrust(flags.trust, authority.certificatePem, { ...FOR_ANY_IMAGE, bundles: findPlaces().bundles })
  return authority
}

async function watchUntil(cleanup: AsyncDisposableStack, path: string, onChange: () => Promise<void>): Promise<void> {
  const ending = new AbortController()
  cleanup.defer(() => ending.abort())
  await watchConfig(path, { signal: ending.signal, onChange })
}

interface Serving {
  readonly running: Egress
  readonly inbound: Egress | undefined
  readonly report: InForceReport
  readonly log: (message: string) => void
}

/** A configuration that cannot be used changes nothing, and says so. */
async function reloadFrom(flags: EgressFlags, { running, inbound, report, log }: Serving): Promise<void> {
  let sha256 = ''
  let problem: string | undefined
  try {
    const file = await readConfigFile(flags.config)
    sha256 = file.sha256
    const config = configFor(flags, file.parse())
    await running.reload(config)
    await inbound?.reload(publishedConfig(config, targetsOf(flags.publish)))
    log('configuration reloaded')
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
    log(`configuration not reloaded, the last good one stays in force: ${problem}`)
  }
  await report.tell(sha256, problem).catch((error: unknown) => log(`cannot tell what is in force: ${String(error)}`))
}

/** What allowed names resolve to: where DNS is asked is where the egress is; a listener for all addresses names none. */
function answerAddress({ dns = [], answer = [] }: EgressFlags): { readonly ipv4: string; readonly ipv6?: string } {
  const listening = dns.map(({ host }) => host).filter((host) => host !== '0.0.0.0' && !/^[:0]+$/.test(host))
  const named = answer.length > 0 ? answer : listening
  const ipv6 = named.find((host) => isIPv6(host))
  return { ipv4: named.find((host) => isIPv4(host)) ?? '127.0.0.1', ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function readyLine(addresses: EgressAddresses, certificate: string | undefined, audit: string): object {
  const [proxy] = addresses.proxy
  const [dns] = addresses.dns
  return {
    ready: true,
    ...(proxy === undefined ? {} : { proxy }),
    transparent: addresses.transparent,
    ...(addresses.published.length === 0 ? {} : { published: addresses.published }),
    ...(dns === undefined ? {} : { dns }),
    ...(certificate === undefined ? {} : { ca_certificate: certificate }),
    audit,
  }
}
