import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { NameRuling } from '../../../src/egress/dns/answers.ts'
import { MessageFramer } from '../../../src/egress/dns/framing.ts'
import type { MalformedReport } from '../../../src/egress/dns/malformed-reports.ts'
import type { QueryEvent } from '../../../src/egress/dns/responder.ts'
import {
  DnsListener,
  type DnsAddresses,
  type DnsListenerOptions,
  type DnsSources,
} from '../../../src/egress/listen/dns.ts'
import { rawQuery, readWithOracle, wireName, type OraclePacket } from '../dns/oracle.ts'

const ALLOWED: NameRuling = { decision: 'allowed', reason: '' }
const UNKNOWN: NameRuling = { decision: 'blocked', reason: 'not reachable by policy' }

/** A listener on loopback and real clients for it. Everything ends with the test. */
export interface Running {
  readonly listener: DnsListener
  readonly addresses: DnsAddresses
  /** Of the first TCP listener, and of UDP too unless sockets were handed in. */
  readonly port: number
  readonly queries: QueryEvent[]
  readonly reports: MalformedReport[]
}

export async function startListener(
  t: TestContext,
  options: Partial<DnsListenerOptions> = {},
  sources: DnsSources = { addresses: [{ address: '127.0.0.1', port: 0 }] },
): Promise<Running> {
  const queries: QueryEvent[] = []
  const reports: MalformedReport[] = []
  const listener = new DnsListener({
    decide: (host) => (host === 'api.example.com' ? ALLOWED : UNKNOWN),
    egressAddress: { ipv4: '10.89.0.11' },
    onQuery: (event) => queries.push(event),
    onMalformed: (report) => reports.push(report),
    ...options,
  })
  t.after(() => listener.close())
  const addresses = await listener.start(sources)
  return { listener, addresses, port: addresses.tcp[0]?.port ?? 0, queries, reports }
}

export async function udpClient(t: TestContext, port: number, address = '127.0.0.1'): Promise<UdpSocket> {
  const client = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  t.after(() => client.close())
  client.connect(port, address)
  await once(client, 'connect')
  return client
}

export async function askOverUdp(client: UdpSocket, message: Buffer): Promise<Required<OraclePacket>> {
  const received = once(client, 'message') as Promise<[Buffer]>
  client.send(message)
  const [bytes] = await received
  return readWithOracle(bytes)
}

export async function tcpClient(t: TestContext, port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1')
  client.on('error', () => {})
  t.after(() => client.destroy())
  await once(client, 'connect')
  return client
}

/** Every reply until the other side closes. */
export async function repliesUntilClosed(client: Socket): Promise<Required<OraclePacket>[]> {
  const framer = new MessageFramer()
  const replies: Required<OraclePacket>[] = []
  client.on('data', (chunk: Buffer) => {
    for (const part of framer.push(chunk)) if (part.kind === 'message') replies.push(readWithOracle(part.bytes))
  })
  await once(client, 'close')
  return replies
}

/** Exactly `count` replies; the connection stays as it is. */
export async function takeReplies(client: Socket, count: number): Promise<Required<OraclePacket>[]> {
  const framer = new MessageFramer()
  const replies: Required<OraclePacket>[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const take = (chunk: Buffer): void => {
    for (const part of framer.push(chunk)) if (part.kind === 'message') replies.push(readWithOracle(part.bytes))
    if (replies.length >= count) resolve()
  }
  client.on('data', take)
  await promise
  client.off('data', take)
  return replies
}

export const addressesIn = (packet: Required<OraclePacket>): unknown[] => packet.answers.map(({ data }) => data)
export const evil = rawQuery({ name: wireName('secret', 'evil', 'test') })
