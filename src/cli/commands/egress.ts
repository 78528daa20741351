import { once } from 'node:events'
import { isIPv4, isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import { AuditLog } from '../../audit/log.ts'
import { readConfigFile } from '../../config/load.ts'
import { CageError } from '../../errors.ts'
import { watchConfig } from '../../config/watch.ts'
import { InForceReport } from '../../cage/in-force.ts'
import { CageSecrets } from '../../cage/secrets.ts'
import { openStateFolder } from '../../cage/state-folder.ts'
import { Egress } from '../../egress/egress.ts'
import { CertificateAuthority } from '../../egress/tls/authority.ts'
import type { ListenAddress } from '../arguments.ts'
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
  const reload = async (): Promise<void> => reloadFrom(flags.config, await serving.promise)
  // Watched before it is read: a change in between is not missed.
  await watchUntil(cleanup, flags.config, reload)
  const file = await readConfigFile(flags.config)
  const config = file.parse()
  const cage = config.name ?? DEFAULT_NAME
  const state = await openStateFolder(flags.state)
  const report = new InForceReport(state)
  const authority = await CertificateAuthority.open(join(state, 'ca'), { cage })
  const audit = cleanup.use(AuditLog.open(resolve(flags.audit ?? join(state, 'audit.jsonl')), { cage }))
  if (audit.tornFile !== undefined) log(`warning: the audit log ended in an unfinished line, now in ${audit.tornFile}`)
  const secrets = cleanup.use(
    new CageSecrets({ cage, stateFolder: state, environment: io.env, configPath: resolve(flags.config), log }),
  )
  const { egress: running, addresses } = await Egress.start({
    config,
    bindings: secrets.bindings,
    audit,
    authority,
    proxy: flags.proxy ?? [],
    transparent: (flags.transparent ?? []).map((source) => ({ source, meant: source.meant ?? 0 })),
    ...(flags.dns === undefined
      ? {}
      : { dns: { addresses: flags.dns.map(({ host, port }) => ({ address: host, port })) } }),
    address: answerAddress(flags.dns ?? []),
    log,
  })
  cleanup.defer(() => running.close())
  secrets.follow(running)
  await report.tell(file.sha256)
  serving.resolve({ running, report, log })
  const onHangUp = (): void => void reload()
  process.on('SIGHUP', onHangUp)
  cleanup.defer(() => void process.off('SIGHUP', onHangUp))
  io.stdout.write(`${JSON.stringify(readyLine(addresses, authority.certificatePath, audit.path))}\n`)
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  return 0
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
async function reloadFrom(path: string, { running, report, log }: Serving): Promise<void> {
  let sha256 = ''
  let problem: string | undefined
  try {
    const file = await readConfigFile(path)
    sha256 = file.sha256
    await running.reload(file.parse())
    log('configuration reloaded')
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
    log(`configuration not reloaded, the last good one stays in force: ${problem}`)
  }
  await report.tell(sha256, problem).catch((error: unknown) => log(`cannot tell what is in force: ${String(error)}`))
}

/** What allowed names resolve to: where DNS is asked is where the egress is; a listener for all addresses names none. */
function answerAddress(dns: readonly ListenAddress[]): { readonly ipv4: string; readonly ipv6?: string } {
  const named = dns.map(({ host }) => host).filter((host) => host !== '0.0.0.0' && !/^[:0]+$/.test(host))
  const ipv6 = named.find((host) => isIPv6(host))
  return { ipv4: named.find((host) => isIPv4(host)) ?? '127.0.0.1', ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function readyLine(
  addresses: { proxy: readonly string[]; transparent: readonly string[]; dns: readonly string[] },
  certificate: string,
  audit: string,
): object {
  const [proxy] = addresses.proxy
  const [dns] = addresses.dns
  return {
    ready: true,
    ...(proxy === undefined ? {} : { proxy }),
    transparent: addresses.transparent,
    ...(dns === undefined ? {} : { dns }),
    ca_certificate: certificate,
    audit,
  }
}
