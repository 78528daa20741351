/**
 * A side that does not read stops the other side from sending, whatever it sends: no kind of frame may pile up in the
 * egress. Over streams in memory, which hold nothing themselves, so that what is taken can be counted.
 */
import assert from 'node:assert/strict'
import { duplexPair, type Duplex } from 'node:stream'
import { test } from 'node:test'
import { configSchema } from '../../../src/config/schema.ts'
import type { EgressCore } from '../../../src/egress/core.ts'
import { BodyBudget } from '../../../src/egress/http/body.ts'
import { ExchangeRecord } from '../../../src/egress/http/exchange-record.ts'
import { LiveExchanges } from '../../../src/egress/live.ts'
import { makeRuling } from '../../../src/egress/ruling.ts'
import { relayMessages } from '../../../src/egress/websocket/relay.ts'
import { parseHostname, type Hostname } from '../../../src/policy/host.ts'

const host = parseHostname('ws.test') as Hostname
const destination = { scheme: 'https', authority: { host, port: 443 }, path: '/' } as const
const context = {
  direction: 'outbound',
  protocol: 'websocket',
  method: 'GET',
  url: 'https://ws.test/',
  host,
  port: 443,
  path: '/',
  headers: [],
  contentType: '',
  priorResults: [],
} as const

const kinds: Readonly<Record<string, number>> = { messages: 0x82, pings: 0x89, pongs: 0x8a }

for (const [kind, first] of Object.entries(kinds)) {
  test(`${kind} to a side that does not read are not taken without end`, async () => {
    const core = await coreOf()
    const [client, clientEnd] = duplexPair()
    const [upstream, upstreamEnd] = duplexPair()
    const record = new ExchangeRecord(core, 'websocket', 'GET', { host, port: 443, path: '/' })
    const over = relayMessages(core, { record, destination, context }, { client: clientEnd, upstream: upstreamEnd })
    const frame = Buffer.concat([Buffer.from([first, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)])
    const taken = await takenOf(client, Buffer.concat(Array.from({ length: 100 }, () => frame)))
    assert.ok(taken < 1_000_000, `${taken} bytes were taken`)
    // Once it reads, everything goes on.
    assert.equal(await bytesOf(upstream, taken), taken)
    client.resume().end()
    upstream.end()
    await over
    assert.equal(core.budget.heldBytes, 0)
  })
}

/** Reads until there are `count` bytes. */
async function bytesOf(stream: Duplex, count: number): Promise<number> {
  let bytes = 0
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length
    if (bytes >= count) break
  }
  return bytes
}

/** Writes until nothing more is taken, and returns the bytes of what was written. */
async function takenOf(stream: Duplex, bytes: Buffer): Promise<number> {
  let written = 0
  for (let idle = 0; idle < 50 && written < 20_000_000;) {
    if (stream.writableNeedDrain) {
      idle += 1
      await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    idle = 0
    written += bytes.length
    stream.write(bytes)
  }
  return written
}

async function coreOf(): Promise<EgressCore> {
  const clock = () => new Date()
  const { ruling } = await makeRuling(configSchema.parse({ domains: { list: ['ws.test'] } }), [], clock)
  return {
    direction: 'outbound',
    ruling: () => ruling,
    audit: { append: () => {}, appendSoon: async () => {}, usable: () => true },
    budget: new BodyBudget(128 * 1024 * 1024),
    live: new LiveExchanges(),
    clock,
    log: (message) => assert.fail(message),
  }
}
