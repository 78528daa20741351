import { once } from 'node:events'
import { isIPv4, isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import { AuditLog } from '../../audit/log.ts'
import { readConfigFile } from '../../config/load.ts'
import { CageError } from '../../errors.ts'
import { watchConfig } from '../../config/watch.ts'
import { InForceReport } from '../../cage/in-force.ts'
import { inspectorFolders } from '../../cage/inspector-folders.ts'
import { CageSecrets } from '../../cage/secrets.ts'
import { openStateFolder } from '../../cage/state-folder.ts'
import { Egress } from '../../egress/egress.ts'
import { CertificateAuthority } from '../../egress/tls/authority.ts'
import type { Config } from '../../config/schema.ts'
import { findPlaces } from '../../isolation/trust/places.ts'
import { FOR_ANY_IMAGE, writeTrust } from '../../isolation/trust/trust.ts'
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
    inspectors: inspectorFolders({ configPath: resolve(flags.config), environment: io.env, reach: [] }),
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
  await report.tell(file.sha256)
  serving.resolve({ running, report, log })
  const onHangUp = (): void => void reload()
  process.on('SIGHUP', onHangUp)
  cleanup.defer(() => void process.off('SIGHUP', onHangUp))
  io.stdout.write(`${JSON.stringify(readyLine(addresses, authority?.certificatePath, audit.path))}\n`)
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  return 0
}

/** DNS alone decides by names; secrets and what else looks into traffic are none of its business. */
function configFor(flags: EgressFlags, config: Config): Config {
  if (!isDnsAlone(flags)) return config
  return { ...config, secret_injection: [], secrets: { ...config.secrets, enabled: false } }
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
  readonly report: InForceReport
  readonly log: (message: string) => void
}

/** A configuration that cannot be used changes nothing, and says so. */
async function reloadFrom(flags: EgressFlags, { running, report, log }: Serving): Promise<void> {
  let sha256 = ''
  let problem: string | undefined
  try {
    const file = await readConfigFile(flags.config)
    sha256 = file.sha256
    await running.reload(configFor(flags, file.parse()))
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

function readyLine(
  addresses: { proxy: readonly string[]; transparent: readonly string[]; dns: readonly string[] },
  certificate: string | undefined,
  audit: string,
): object {
  const [proxy] = addresses.proxy
  const [dns] = addresses.dns
  return {
    ready: true,
    ...(proxy === undefined ? {} : { proxy }),
    transparent: addresses.transparent,
    ...(dns === undefined ? {} : { dns }),
    ...(certificate === undefined ? {} : { ca_certificate: certificate }),
    audit,
  }
}
