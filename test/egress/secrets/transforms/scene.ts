import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { AuditRecord } from '../../../../src/audit/record.ts'
import { startEgress, type EgressProcess } from '../../../support/egress-process.ts'
import { get, type GetOptions } from '../../../support/proxy-client.ts'
import type { RawResponse } from '../../../support/http-response.ts'
import {
  startInternet,
  type Handler,
  type Internet,
  type InternetServer,
  type ServerOptions,
} from '../../../support/internet.ts'

export interface SceneOptions {
  readonly hosts: Readonly<Record<string, ServerOptions | Handler>>
  /** Hosts that the policy allows; default: all. */
  readonly allowed?: readonly string[]
  readonly rules: readonly Readonly<Record<string, unknown>>[]
  /** Values by name. */
  readonly secrets: Readonly<Record<string, string>>
}

/** A real egress process before servers that play a token endpoint and an API. */
export class Scene {
  readonly egress: EgressProcess
  readonly internet: Internet
  readonly #servers: ReadonlyMap<string, InternetServer>

  constructor(egress: EgressProcess, internet: Internet, servers: ReadonlyMap<string, InternetServer>) {
    this.egress = egress
    this.internet = internet
    this.#servers = servers
  }

  server(host: string): InternetServer {
    const server = this.#servers.get(host)
    if (server === undefined) throw new TypeError(`no server plays ${host}`)
    return server
  }

  get(url: string, options: Omit<GetOptions, 'proxy' | 'ca'> = {}): Promise<RawResponse> {
    return get(url, { ...options, proxy: this.egress.proxy, ca: this.egress.ca })
  }

  /** The record of the denial that a response is. */
  async denied(
    response: RawResponse,
    expected: { readonly status: number; readonly code: string },
  ): Promise<AuditRecord> {
    const body = JSON.parse(response.body.toString()) as { readonly code: string; readonly id: string }
    assert.deepEqual([response.status, body.code], [expected.status, expected.code], response.body.toString())
    const record = (await this.egress.audit()).find(({ id }) => id === body.id)
    assert.ok(record !== undefined)
    return record
  }

  /** Nothing of these texts stands in what the egress wrote down or said. */
  async keptQuiet(...texts: readonly string[]): Promise<void> {
    const said = JSON.stringify(await this.egress.audit()) + this.egress.stderr
    for (const text of texts) assert.ok(!said.includes(text), text.slice(0, 20))
  }
}

export async function startScene(t: TestContext, options: SceneOptions): Promise<Scene> {
  const internet = await startInternet()
  t.after(() => internet.close())
  const servers = new Map<string, InternetServer>()
  for (const [host, server] of Object.entries(options.hosts)) servers.set(host, await internet.server(host, server))
  const config = {
    domains: { list: options.allowed ?? Object.keys(options.hosts) },
    rate_limit: { requests_per_second: 0 },
    secret_injection: options.rules,
    upstream: internet.upstream,
  }
  return new Scene(await startEgress(t, config, { env: options.secrets }), internet, servers)
}
