import assert from 'node:assert/strict'
import { EventEmitter, on } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { AuditLog } from '../../src/audit/log.ts'
import type { AuditEvent, AuditSink } from '../../src/audit/record.ts'
import { configSchema, type Config } from '../../src/config/schema.ts'
import { Egress, type EgressOptions } from '../../src/egress/egress.ts'
import type { InspectorFolders } from '../../src/egress/inspect/custom/program.ts'
import { bindSecrets } from '../../src/egress/secrets/binding.ts'
import { CertificateAuthority } from '../../src/egress/tls/authority.ts'
import { resolvePlaceholders } from '../../src/secrets/placeholders.ts'
import { Secret } from '../../src/secrets/secret.ts'
import {
  startInternet,
  type Handler,
  type Internet,
  type InternetServer,
  type ServerOptions,
} from '../support/internet.ts'
import { makeFolder } from '../support/temporary.ts'

type ConfigInput = Readonly<Record<string, unknown>>

export interface BedOptions {
  /** Servers of the internet; the egress is led to them by `connect_to`. */
  readonly hosts?: Readonly<Record<string, ServerOptions | Handler>>
  /** On top of: the hosts allowed, no rate limit, an upstream that leads to them. */
  readonly config?: ConfigInput
  /** Values of the secrets that `secret_injection` names. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Where inspectors of one's own may lie. */
  readonly inspectors?: InspectorFolders
  /** Ports that transparent listeners stand for. */
  readonly transparent?: readonly number[]
  /** Whether it answers DNS. */
  readonly dns?: true
  /** Past the schema: what a configuration file cannot say, such as a resolver on another port. */
  readonly change?: (config: Config) => Config
}

export interface ExpectedDenial {
  readonly status: number
  readonly code: string
  readonly host: string
  readonly reason?: string
  /** False: a failure upstream. */
  readonly blocked?: boolean
}

interface BedParts extends Pick<
  Bed,
  'internet' | 'egress' | 'proxy' | 'transparent' | 'dns' | 'ca' | 'audit' | 'messages'
> {
  readonly servers: ReadonlyMap<string, InternetServer>
  readonly options: BedOptions
}

/** An egress in this process, before a small internet, with a real audit log that is also kept in memory. */
export class Bed {
  readonly internet: Internet
  readonly egress: Egress
  readonly proxy: string
  readonly transparent: readonly string[]
  /** `127.0.0.1:PORT`; '' without DNS. */
  readonly dns: string
  /** The cage's certificate, PEM. */
  readonly ca: string
  readonly audit: RecordedAudit
  /** What the egress told its operator. */
  readonly messages: readonly string[]
  readonly #servers: ReadonlyMap<string, InternetServer>
  readonly #options: BedOptions

  constructor(parts: BedParts) {
    this.internet = parts.internet
    this.egress = parts.egress
    this.proxy = parts.proxy
    this.transparent = parts.transparent
    this.dns = parts.dns
    this.ca = parts.ca
    this.audit = parts.audit
    this.messages = parts.messages
    this.#servers = parts.servers
    this.#options = parts.options
  }

  /** One of the hosts of the options. */
  server(host: string): InternetServer {
    const server = this.#servers.get(host)
    if (server === undefined) throw new TypeError(`no server plays ${host}`)
    return server
  }

  /** Not one connection was made to the internet, so not one byte left. */
  nothingLeft(): void {
    for (const [host, { connections }] of this.#servers) assert.equal(connections, 0, host)
    assert.ok(this.records.every(({ upstream_ip }) => upstream_ip === ''))
  }

  /** All records so far, oldest first. */
  get records(): readonly AuditEvent[] {
    return this.audit.records
  }

  /** The first record that fits, as soon as it is written. */
  record(fits: (record: AuditEvent) => boolean): Promise<AuditEvent> {
    return this.audit.record(fits)
  }

  /** Checks a response that is a denial, and that its id finds a record that says the same, which is returned. */
  denied(response: { readonly status: number; readonly body: Buffer }, expected: ExpectedDenial): AuditEvent {
    const body = JSON.parse(response.body.toString()) as Readonly<Record<string, unknown>>
    const record = this.records.find(({ id }) => id === body['id'])
    const { status, code, host, reason = record?.reason, blocked = true } = expected
    assert.deepEqual(
      { status: response.status, keys: Object.keys(body), ...body },
      {
        status,
        keys: ['blocked', 'reason', 'host', 'by', 'code', 'id'],
        blocked,
        reason,
        host,
        by: 'agentcage',
        code,
        id: body['id'],
      },
    )
    assert.ok(record !== undefined, 'a denial has a record')
    assert.deepEqual(
      { ...record, reason: typeof record.reason },
      { ...record, decision: blocked ? 'blocked' : 'allowed', reason: 'string', code, host, status },
    )
    assert.equal(record.reason, body['reason'])
    return record
  }

  /** Puts another configuration in force, `config` in place of that of the options. */
  async reload(config: ConfigInput): Promise<void> {
    await this.egress.reload(
      configOf(this.internet, { ...this.#options, config: { ...this.#options.config, ...config } }),
    )
  }
}

/** Ended with the test. */
export async function startBed(t: Pick<TestContext, 'after'>, options: BedOptions = {}): Promise<Bed> {
  const internet = await startInternet()
  const servers = new Map<string, InternetServer>()
  for (const [host, server] of Object.entries(options.hosts ?? {}))
    servers.set(host, await internet.server(host, server))
  const folder = await makeFolder()
  const authority = await CertificateAuthority.open(join(folder, 'ca'), { cage: 'bed' })
  const audit = new RecordedAudit(AuditLog.open(join(folder, 'audit.jsonl'), { cage: 'bed' }))
  const messages: string[] = []
  const { egress, addresses } = await Egress.start({
    config: configOf(internet, options),
    bindings: bindingsOf(options, folder),
    audit,
    authority,
    proxy: [LOOPBACK],
    transparent: (options.transparent ?? []).map((meant) => ({ source: LOOPBACK, meant })),
    ...(options.dns === undefined ? {} : { dns: { addresses: [{ address: '127.0.0.1', port: 0 }] } }),
    address: { ipv4: '127.0.0.1' },
    ...(options.inspectors === undefined ? {} : { inspectors: options.inspectors }),
    log: (message) => messages.push(message),
  })
  t.after(async () => {
    await egress.close({ drainMs: 0 })
    await internet.close()
    await audit.close()
    await rm(folder, { recursive: true, force: true })
  })
  const { proxy, transparent, dns } = addresses
  return new Bed({
    internet,
    egress,
    proxy: proxy[0] ?? '',
    transparent,
    dns: dns[0] ?? '',
    ca: authority.certificatePem,
    audit,
    messages,
    servers,
    options,
  })
}

/** The real log, with its events kept and a switch that makes it fail. */
export class RecordedAudit implements AuditSink {
  readonly records: AuditEvent[] = []
  readonly #log: AuditLog
  readonly #written = new EventEmitter().setMaxListeners(0)
  isBroken = false

  constructor(log: AuditLog) {
    this.#log = log
  }

  append(event: AuditEvent): void {
    if (this.isBroken) throw new Error('no space left on the device')
    this.#log.append(event)
    this.records.push(event)
    this.#written.emit('record', event)
  }

  async appendSoon(event: AuditEvent): Promise<void> {
    if (this.isBroken) throw new Error('no space left on the device')
    await this.#log.appendSoon(event)
    this.records.push(event)
    this.#written.emit('record', event)
  }

  usable(): boolean {
    return !this.isBroken && this.#log.usable()
  }

  async record(fits: (record: AuditEvent) => boolean): Promise<AuditEvent> {
    const known = this.records.find(fits)
    if (known !== undefined) return known
    for await (const [event] of on(this.#written, 'record') as AsyncIterable<[AuditEvent]>)
      if (fits(event)) return event
    throw new Error('the log ended')
  }

  close(): Promise<void> {
    return this.#log.close()
  }
}

const LOOPBACK = { host: '127.0.0.1', port: 0 } as const

function configOf(internet: Internet, { hosts = {}, config = {}, change = (same) => same }: BedOptions): Config {
  const defaults = { domains: { list: Object.keys(hosts) }, rate_limit: { requests_per_second: 0 } }
  const upstream = { ...internet.upstream, ...(config['upstream'] as ConfigInput | undefined) }
  return change(configSchema.parse({ ...defaults, ...config, upstream }))
}

function bindingsOf({ secrets = {} }: BedOptions, folder: string): EgressOptions['bindings'] {
  return async ({ secret_injection: rules }) => {
    const values = Object.entries(secrets).map(([name, value]) => new Secret(name, value))
    return bindSecrets(rules, values, await resolvePlaceholders(rules, join(folder, 'state')))
  }
}
