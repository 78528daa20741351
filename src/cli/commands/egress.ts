import { once } from 'node:events'
import { isIPv4, isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import { AuditLog } from '../../audit/log.ts'
import { loadConfig } from '../../config/load.ts'
import { CageError } from '../../errors.ts'
import { watchConfig } from '../../config/watch.ts'
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
  const serving = Promise.withResolvers<Egress>()
  const reload = async (): Promise<void> => reloadFrom(flags.config, await serving.promise, log)
  // Watched before it is read: a change in between is not missed.
  await watchUntil(cleanup, flags.config, reload)
  const config = await loadConfig(flags.config)
  const cage = config.name ?? DEFAULT_NAME
  const state = await openStateFolder(flags.state)
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
  serving.resolve(running)
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

/** A configuration that cannot be used changes nothing, and says so. */
async function reloadFrom(path: string, running: Egress, log: (message: string) => void): Promise<void> {
  try {
    await running.reload(await loadConfig(path))
    log('configuration reloaded')
  } catch (error) {
    log(
      `configuration not reloaded, the last good one stays in force: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
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
