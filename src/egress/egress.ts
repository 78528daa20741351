import type { Server, Socket } from 'node:net'
import type { AuditSink } from '../audit/record.ts'
import type { Config } from '../config/schema.ts'
import type { EgressCore } from './core.ts'
import { Denial } from './denial.ts'
import { auditedDns } from './dns/audited.ts'
import { BodyBudget } from './http/body.ts'
import type { InspectorPlace } from './inspect/custom/load.ts'
import { NO_FOLDERS } from './inspect/custom/program.ts'
import type { DnsListener, DnsSources } from './listen/dns.ts'
import { Front } from './listen/front.ts'
import { boundPort, boundText, listen, type ListenSource } from './listen/listeners.ts'
import { LiveExchanges } from './live.ts'
import { OperatorLog } from './operator-log.ts'
import { redactedAudit } from './redacted-audit.ts'
import { makeRuling, type Lasting, type MakeOptions, type NewRuling } from './ruling.ts'
import type { SecretSet } from './secrets/secret-set.ts'
import type { SecretBinding } from './secrets/binding.ts'
import type { Authority } from '../policy/host.ts'
import type { CertificateAuthority } from './tls/authority.ts'

/** A listener for captured connections and the port they were meant for; 0: the port that is bound. */
export interface TransparentSource {
  readonly source: ListenSource
  readonly meant: number
}

/** Why real values are asked for: there is a configuration, or the one in force stays and values have changed. */
export type BindingReason = 'configuration' | 'rotation'

/** A port of the workload's that is reached from outside. */
export interface PublishedSource {
  readonly source: ListenSource
  readonly target: Authority
  /** Own addresses that the workload can reach: from outside nobody comes by these. */
  readonly inside: readonly string[]
}

export interface EgressOptions {
  readonly config: Config
  /** Real values for the configuration's rules; asked again when either changes. */
  readonly bindings: (config: Config, reason: BindingReason) => Promise<readonly SecretBinding[]>
  readonly audit: AuditSink
  /** Absent: for DNS alone; there is nothing to intercept then. */
  readonly authority?: CertificateAuthority
  readonly proxy?: readonly ListenSource[]
  readonly transparent?: readonly TransparentSource[]
  /** With these, everything else absent: exchanges are inbound. */
  readonly published?: readonly PublishedSource[]
  readonly dns?: DnsSources
  /** What the workload's DNS answers for allowed names: where the transparent listeners are. */
  readonly address: { readonly ipv4: string; readonly ipv6?: string }
  /** Where inspectors of one's own are; absent: nowhere. */
  readonly inspectors?: InspectorPlace
  readonly log: (message: string) => void
  readonly clock?: () => Date
}

/** `HOST:PORT` of every listener, in the order of the options. */
export interface EgressAddresses {
  readonly published: readonly string[]
  readonly proxy: readonly string[]
  readonly transparent: readonly string[]
  readonly dns: readonly string[]
}

/** Request bodies and messages in memory at once, over all exchanges of a cage. */
const IN_FLIGHT_BYTES = 128 * 1024 * 1024

/** How long exchanges under way may go on after `close`. */
const DRAIN_MS = 10_000

/** How long those that were ended may take to say so. */
const LAST_WORDS_MS = 1000

const LONGEST_TIMER_MS = 2_147_483_647

/**
 * The trusted side of a cage. Connections come in through `Front`, which finds out where they go; each request is one
 * exchange (`http/exchange.ts`): authority, rate, policy, body, inspectors, injector, upstream, redactor, audit.
 */
export class Egress {
  readonly #options: EgressOptions
  readonly #clock: () => Date
  readonly #core: EgressCore
  readonly #operator: OperatorLog
  readonly #front: Front | undefined
  readonly #servers: Server[] = []
  #current: NewRuling
  #dns: DnsListener | undefined
  #expiry: NodeJS.Timeout | undefined
  #reloading: Promise<void> = Promise.resolve()

  /** Opens every listener, or none: throws a CageError and leaves nothing behind. */
  static async start(options: EgressOptions): Promise<{ egress: Egress; addresses: EgressAddresses }> {
    const clock = options.clock ?? (() => new Date())
    const egress = new Egress(
      options,
      clock,
      await makeRuling(
        options.config,
        await options.bindings(options.config, 'configuration'),
        clock,
        customOf(options),
      ),
    )
    try {
      return { egress, addresses: await egress.#listen() }
    } catch (error) {
      await egress.close({ drainMs: 0 })
      throw error
    }
  }

  private constructor(options: EgressOptions, clock: () => Date, first: NewRuling) {
    this.#options = options
    this.#clock = clock
    this.#current = first
    first.lasting.transforms.guardWith(guardiansOf(first.lasting))
    this.#operator = new OperatorLog(options.log, () => performance.now())
    this.#core = {
      direction: options.published === undefined ? 'outbound' : 'inbound',
      ruling: () => this.#current.ruling,
      audit: redactedAudit(options.audit, () => this.#current.ruling.secrets),
      budget: new BodyBudget(IN_FLIGHT_BYTES),
      live: new LiveExchanges(),
      clock,
      log: (message) => this.#operator.log(this.#current.ruling.secrets.redactText(message)),
    }
    this.#front = options.authority === undefined ? undefined : new Front(this.#core, options.authority)
    this.#watchExpiry()
  }

  /**
   * Puts another configuration in force: for the next request, the next message of a live connection, and for live
   * connections that it forbids, which end. Throws a CageError and changes nothing when it cannot be used.
   */
  async reload(config: Config): Promise<void> {
    await this.#inTurn(() => this.#reload(config, 'configuration'))
  }

  /** Puts changed values of secrets in force from the next request on. Throws as `reload` does. */
  async rotate(): Promise<void> {
    await this.#inTurn(() => this.#reload(this.config, 'rotation'))
  }

  /** What is in force. */
  get config(): Config {
    return this.#current.lasting.config
  }

  /** Stops listening, lets exchanges under way finish for a while, then ends them. */
  async close({ drainMs = DRAIN_MS }: { readonly drainMs?: number } = {}): Promise<void> {
    clearTimeout(this.#expiry)
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    this.#front?.close()
    await this.#dns?.close()
    await this.#front?.ended(drainMs)
    this.#core.live.endAll(new Denial('egress_closed', 'the egress is shutting down'))
    await this.#front?.ended(LAST_WORDS_MS)
    this.#front?.destroy()
    this.#current.ruling.upstream.close()
    await Promise.all([...closed, ...this.#current.lasting.custom.map((inspector) => inspector.close())])
    this.#operator.flush()
  }

  async #listen(): Promise<EgressAddresses> {
    const { proxy = [], transparent = [], published = [], dns } = this.#options
    if (this.#front !== undefined) await this.#listenPublished(this.#front, published)
    if (this.#front !== undefined) await this.#listenTcp(this.#front, proxy, transparent)
    else if (proxy.length + transparent.length > 0) throw new TypeError('a proxy needs a certificate authority')
    const texts = this.#servers.map((server) => boundText(server.address() as { address: string; port: number }))
    const fromInside = texts.slice(published.length)
    return {
      published: texts.slice(0, published.length),
      proxy: fromInside.slice(0, proxy.length),
      transparent: fromInside.slice(proxy.length),
      dns: await this.#listenDns(dns),
    }
  }

  async #listenPublished(front: Front, published: readonly PublishedSource[]): Promise<void> {
    for (const { source, target, inside } of published) {
      const server = await listen(source, (socket) => {
        if (isFromWorkload(socket, inside)) socket.destroy()
        else void front.acceptPublished(socket, target)
      })
      this.#servers.push(server)
    }
  }

  async #listenTcp(
    front: Front,
    proxy: readonly ListenSource[],
    transparent: readonly TransparentSource[],
  ): Promise<void> {
    for (const source of proxy) this.#servers.push(await listen(source, (socket) => void front.acceptProxy(socket)))
    for (const { source, meant } of transparent) {
      const server = await listen(
        source,
        (socket) => void front.acceptTransparent(socket, meant === 0 ? boundPort(server) : meant),
      )
      this.#servers.push(server)
    }
  }

  async #listenDns(sources: DnsSources | undefined): Promise<readonly string[]> {
    if (sources === undefined) return []
    this.#dns = auditedDns(this.#core, this.#options.address)
    const { udp } = await this.#dns.start(sources)
    return udp.map(boundText)
  }

  async #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#reloading.then(change)
    this.#reloading = turn.catch(() => {})
    await turn
  }

  async #reload(config: Config, reason: BindingReason): Promise<void> {
    const before = this.#current
    const bindings = await this.#options.bindings(config, reason)
    const options = { ...customOf(this.#options), before: before.lasting }
    this.#current = await makeRuling(config, bindings, this.#clock, options)
    const { custom } = this.#current.lasting
    for (const inspector of before.lasting.custom) if (!custom.includes(inspector)) void inspector.retire()
    // Exchanges under way may still use what was in force.
    this.#current.lasting.transforms.guardWith([...guardiansOf(this.#current.lasting), before.lasting.secrets])
    if (before.ruling.upstream !== this.#current.ruling.upstream) before.ruling.upstream.close()
    this.#core.live.judgeAgain(this.#current.ruling.policy, this.#clock())
    this.#watchExpiry()
  }

  /** When an entry of the policy ends, live connections that rested on it end too. */
  #watchExpiry(): void {
    clearTimeout(this.#expiry)
    const next = this.#current.ruling.policy.nextExpiry(this.#clock())
    if (next === undefined) return
    const wait = Math.min(next.getTime() - this.#clock().getTime() + 1, LONGEST_TIMER_MS)
    this.#expiry = setTimeout(() => {
      this.#core.live.judgeAgain(this.#current.ruling.policy, this.#clock())
      this.#watchExpiry()
    }, wait).unref()
  }
}

/** Who learns of a token before it is used. */
function guardiansOf({ secrets, split }: Pick<Lasting, 'secrets' | 'split'>): readonly Pick<SecretSet, 'protect'>[] {
  return split === undefined ? [secrets] : [secrets, split]
}

function customOf({ inspectors = NO_FOLDERS, log }: EgressOptions): MakeOptions {
  return { place: inspectors, log }
}

/**
 * Whether the workload knocks at its own published port: it would ask itself, and its requests would be recorded as
 * somebody else's. What comes from the very address it goes to comes from this network namespace: Podman forwards from
 * within it, to whichever of its addresses it likes. The workload cannot have that source: answers to it stay here.
 */
function isFromWorkload({ localAddress, remoteAddress }: Socket, inside: readonly string[]): boolean {
  return localAddress !== remoteAddress && inside.includes(localAddress?.replace(/^::ffff:/, '') ?? '')
}
