import assert from 'node:assert/strict'
import type { AuditRecord } from '../../../src/audit/record.ts'
import { startInternet, type ArrivedRequest, type Internet } from '../../support/internet.ts'
import { CageHost } from './cage.ts'
import type { CageSession, Driver } from './session.ts'

/** What the servers expect, and what the workload holds in place of it. */
export const SECRET = 'live-7b1f0c9a52d84e63a1f2'
export const PLACEHOLDER = 'agentcage-placeholder-for-tests'
export const SECRET_NAME = 'API_TOKEN'

/** Makes what the host has before the cage starts. */
type Prepare = (host: CageHost) => Promise<unknown>

export interface WorldOptions {
  readonly prepare?: Prepare
  /** Where the internet's servers listen, if not on loopback. */
  readonly address?: string
  /** Of the host, beside what it has. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: Node. */
  readonly driver?: Driver
}

/**
 * A cage with everything `.test` allowed and a test internet behind its egress. In the cage, `$API_TOKEN` is the
 * placeholder; servers get the secret.
 */
export class World {
  readonly internet: Internet
  readonly host: CageHost
  readonly cage: CageSession

  private constructor(internet: Internet, host: CageHost, cage: CageSession) {
    this.internet = internet
    this.host = host
    this.cage = cage
  }

  /** `populate` starts the servers, before the cage learns where they are. */
  static async open(
    populate: (internet: Internet) => Promise<void>,
    config: Readonly<Record<string, unknown>> = {},
    more: WorldOptions | Prepare = {},
  ): Promise<World> {
    const { prepare, address, driver, env = {} } = typeof more === 'function' ? { prepare: more } : more
    const internet = await startInternet({}, address)
    await populate(internet)
    const host = await CageHost.open({
      config: {
        domains: { list: ['test'] },
        secret_injection: [{ env: SECRET_NAME, placeholder: PLACEHOLDER, inject_to: ['test', 'http://test'] }],
        rate_limit: { requests_per_second: 0 },
        upstream: internet.upstream,
        ...config,
      },
      env: { [SECRET_NAME]: SECRET, ...env },
    })
    await prepare?.(host)
    return new World(internet, host, await host.session(undefined, driver))
  }

  /** Ends all; nothing of the cage may ever have seen or written the secret. */
  async close(): Promise<void> {
    await this.cage.close()
    await this.host[Symbol.asyncDispose]()
    await this.internet.close()
  }

  /** The only records for the host, which is one a test has to itself. */
  async recordsOf(name: string): Promise<readonly AuditRecord[]> {
    const records = await this.host.audit()
    return records.filter((record) => record.host === name)
  }
}

/** What every client must prove: the server got the secret, the client sees only the placeholder, and it is on record. */
export function assertProtected(
  arrived: ArrivedRequest | undefined,
  seen: string,
  record: AuditRecord | undefined,
): asserts record is AuditRecord {
  assert.ok(arrived, 'nothing arrived')
  const sent = `${arrived.url} ${arrived.rawHeaders.join(' ')} ${arrived.body.toString('latin1')}`
  assert.ok(sent.includes(SECRET), `the server did not get the secret: ${sent}`)
  assert.ok(!sent.includes(PLACEHOLDER), `the server got the placeholder: ${sent}`)
  assert.ok(seen.includes(PLACEHOLDER), `the client did not get the placeholder back: ${seen}`)
  assert.ok(!seen.includes(SECRET), 'the client saw the secret')
  assert.ok(record, 'nothing is on record')
  assert.ok(!JSON.stringify(record).includes(SECRET), 'the record holds the secret')
  assert.equal(record.decision, 'allowed')
  assert.deepEqual(record.secrets_injected, [SECRET_NAME])
  assert.deepEqual(record.secrets_redacted, [SECRET_NAME])
}
