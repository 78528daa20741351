import type { Socket as UdpSocket } from 'node:dgram'
import { closeSync, openSync } from 'node:fs'
import type { Server } from 'node:net'
import { CageError } from '../../errors.ts'
import type { MoatRequest, SocketAddress, Tap } from './moat-helper.ts'
import { requireProgram } from './launch-programs.ts'
import { startMoatHelper, type MoatHelper } from './moat-process.ts'

export interface MoatOptions {
  /** Ports whose connections are captured, to whatever address they go. */
  readonly tcpPorts: readonly number[]
  /** Where the explicit proxy listens, and only there: the workload's own loopback stays its own. */
  readonly proxy: SocketAddress
  /** Started ahead; ends with this call in any case. */
  readonly helper?: MoatHelper | undefined
  /** A device for a machine that sends packets. */
  readonly tap?: Tap | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * A network namespace without a way out, in which every address is local and leads to these sockets.
 * They listen already, in this process. Who serves them may close them; `close` closes what is left.
 */
export interface Moat {
  readonly proxy: Server
  readonly transparent: readonly { readonly port: number; readonly handle: Server }[]
  readonly dnsTcp: Server
  /** One for all addresses, and one each for `RESOLVERS`. */
  readonly dnsUdp: readonly UdpSocket[]
  /** Paths for `nsenter`, valid for processes of this user while this process runs and the moat is not closed. */
  readonly userNamespace: string
  readonly networkNamespace: string
  close(): void
}

/** The resolver that the workload's /etc/resolv.conf names. */
export const RESOLVER = '198.18.0.1'

/**
 * Resolvers that programs ask directly. Each has a socket of its own, because a reply must come from the address that
 * was asked or a connected client drops it, and Node cannot choose a source address. From a socket for all addresses
 * the kernel's choice is right over IPv4 (the client's own address is then the one it asked), except within
 * 127.0.0.0/8; over IPv6 it is always ::1 (measured on Linux 6.18).
 */
export const RESOLVERS: readonly string[] = [
  RESOLVER,
  '127.0.0.1',
  '127.0.0.11',
  '127.0.0.53',
  '127.0.0.54',
  '8.8.8.8',
  '8.8.4.4',
  '1.1.1.1',
  '1.0.0.1',
  '9.9.9.9',
  '149.112.112.112',
  '208.67.222.222',
  '208.67.220.220',
  '2001:4860:4860::8888',
  '2001:4860:4860::8844',
  '2606:4700:4700::1111',
  '2606:4700:4700::1001',
  '2620:fe::fe',
  '2620:fe::9',
]

const ANYWHERE = '::'
const DNS_PORT = 53

/** Makes the namespace. Throws `host_unsupported` with the reason and the mend, `listen_failed` when a port is taken twice. */
export async function openMoat({
  tcpPorts,
  proxy,
  helper = startMoatHelper(),
  tap,
  signal,
}: MoatOptions): Promise<Moat> {
  const ports = [...new Set(tcpPorts)]
  const namespaces: number[] = []
  try {
    refuseOwnPorts(ports, proxy.port)
    const request: MoatRequest = {
      ip: requireProgram('ip'),
      tcp: [proxy, ...[DNS_PORT, ...ports].map((port) => ({ address: ANYWHERE, port }))],
      udp: [ANYWHERE, ...RESOLVERS].map((address) => ({ address, port: DNS_PORT })),
      tap,
    }
    const { tcp, udp, pid } = await helper.open(request, signal)
    namespaces.push(openSync(`/proc/${pid}/ns/user`, 'r'), openSync(`/proc/${pid}/ns/net`, 'r'))
    const [user, network] = namespaces
    const [proxyServer, dnsTcp, ...transparent] = tcp
    if (user === undefined || network === undefined || proxyServer === undefined || dnsTcp === undefined) {
      throw new CageError('internal', 'the network namespace came without its sockets')
    }
    return {
      proxy: proxyServer,
      dnsTcp,
      transparent: ports.map((port, index) => ({ port, handle: transparent[index] as Server })),
      dnsUdp: udp,
      userNamespace: `/proc/${process.pid}/fd/${user}`,
      networkNamespace: `/proc/${process.pid}/fd/${network}`,
      close: once(() => {
        closeSockets([...tcp, ...udp])
        for (const namespace of namespaces) closeSync(namespace)
      }),
    }
  } catch (error) {
    for (const namespace of namespaces) closeSync(namespace)
    helper.abandon()
    throw error
  } finally {
    // The open descriptors keep the namespaces; it has nothing left to do.
    await helper[Symbol.asyncDispose]()
  }
}

function refuseOwnPorts(ports: readonly number[], proxyPort: number): void {
  for (const port of ports) {
    if (port !== proxyPort && port !== DNS_PORT) continue
    const owner = port === DNS_PORT ? 'DNS' : 'proxy'
    throw new CageError('listen_failed', `port ${port} cannot be captured: the cage's own ${owner} listens there`, {
      hint: `Remove ${port} from ports.tcp.allow.`,
    })
  }
}

function closeSockets(sockets: readonly (Server | UdpSocket)[]): void {
  for (const socket of sockets) {
    try {
      socket.close()
    } catch {
      // Closed already by who served it.
    }
  }
}

function once(action: () => void): () => void {
  let pending = true
  return () => {
    if (pending) action()
    pending = false
  }
}
