/**
 * Runs inside the new network namespace, by `moat.ts`. It makes every address local, opens the listening sockets,
 * passes them to its parent and ends. It imports Node's own modules only, so that it starts fast and alike from
 * source and from `dist/`.
 *
 * Started ahead of its request, the first message from the parent: `MoatRequest`. Messages to the parent: `MoatMessage`,
 * a handle beside each socket. It ends when the parent disconnects, which the parent does once it holds the namespaces
 * open, or has nothing to ask.
 */
import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

export interface MoatRequest {
  /** Absolute path of iproute2's `ip`. */
  readonly ip: string
  readonly tcp: readonly SocketAddress[]
  /** Those with an IPv6 address of their own are left out where the host keeps us from binding to them. */
  readonly udp: readonly SocketAddress[]
  readonly tap?: Tap | undefined
}

/** A device behind which a machine is, as a neighbour; what it sends to any address arrives as everything does. */
export interface Tap {
  readonly device: string
  /** Of our end; 30 bits of it are the network's. */
  readonly address: string
  readonly guest: string
  /** Who may open it. */
  readonly user: number
}

export interface SocketAddress {
  /** `::` takes IPv4 too. */
  readonly address: string
  readonly port: number
}

export type MoatMessage =
  | { readonly kind: 'tcp' | 'udp'; readonly index: number }
  /** How many UDP sockets were passed. */
  | { readonly kind: 'done'; readonly udp: number }
  | { readonly kind: 'failed'; readonly step: 'routes' | 'listen'; readonly problem: string }

/** `ip -batch`: the family follows from the prefix. */
const ROUTES = ['link set lo up', 'route add local 0.0.0.0/0 dev lo', 'route add local ::/0 dev lo']

/** In the table that makes all addresses local, the closest match wins: of all addresses the guest's alone is not. */
function tapCommands({ device, address, guest, user }: Tap): readonly string[] {
  return [
    `tuntap add dev ${device} mode tap user ${user}`,
    `addr add ${address}/30 dev ${device}`,
    `link set ${device} up`,
    `route add unicast ${guest}/32 dev ${device} table local`,
  ]
}

// The channel keeps this process alive until every handle has arrived, and no longer than there is a parent.
process.channel?.ref()
process.once('message', (request) => void digMoat(request as MoatRequest))

async function digMoat(request: MoatRequest): Promise<void> {
  const commands = [...ROUTES, ...(request.tap === undefined ? [] : tapCommands(request.tap)), '']
  const input = commands.join('\n')
  const routes = spawnSync(request.ip, ['-batch', '-'], { input, encoding: 'utf8', timeout: 10_000 })
  if (routes.status !== 0) return fail('routes', routes.error?.message ?? routes.stderr.trim())
  try {
    const udp = request.udp.filter(bindsForeignIPv6() ? () => true : ({ address }) => !isForeignIPv6(address))
    await Promise.all([
      ...request.tcp.map(async (address, index) => hand('tcp', index, await listen(address))),
      ...udp.map(async (address, index) => hand('udp', index, await bind(address))),
    ])
    await send({ kind: 'done', udp: udp.length })
  } catch (error) {
    fail('listen', error instanceof Error ? error.message : String(error))
  }
}

/** Unlike for IPv4, a local route is not enough to bind. Where /proc/sys is read-only (containers) it cannot be switched. */
function bindsForeignIPv6(): boolean {
  try {
    writeFileSync('/proc/sys/net/ipv6/ip_nonlocal_bind', '1')
    return true
  } catch {
    return false
  }
}

function isForeignIPv6(address: string): boolean {
  return address.includes(':') && address !== '::'
}

async function listen({ address, port }: SocketAddress): Promise<Server> {
  const server = createServer()
  server.listen({ host: address, port, backlog: 511 })
  await once(server, 'listening')
  return server
}

/** SO_REUSEADDR lets one socket own an address on a port that another holds for all addresses; the closer match receives. */
async function bind({ address, port }: SocketAddress): Promise<Socket> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', reuseAddr: true })
  socket.bind({ address, port, exclusive: true })
  await once(socket, 'listening')
  return socket
}

/** Passes the socket on and closes this process's own copy, which would steal connections from the parent. */
async function hand(kind: 'tcp' | 'udp', index: number, socket: Server | Socket): Promise<void> {
  await send({ kind, index }, socket)
  socket.close()
}

function send(message: MoatMessage, handle?: Server | Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, handle, {}, (error) => (error === null ? resolve() : reject(error)))
  })
}

function fail(step: 'routes' | 'listen', problem: string): void {
  process.send?.({ kind: 'failed', step, problem } satisfies MoatMessage, () => process.exit(1))
}
