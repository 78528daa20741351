import { spawn, type ChildProcess } from 'node:child_process'
import { Socket as UdpSocket } from 'node:dgram'
import { closeSync, openSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'
import { Server } from 'node:net'
import { dirname, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CageError } from '../../errors.ts'
import { boundedText } from '../../system/spawn.ts'
import type { MoatMessage, MoatRequest, SocketAddress } from './moat-helper.ts'
import { namespaceFailure } from './launch-failure.ts'
import { requireProgram } from './launch-programs.ts'

export interface MoatOptions {
  /** Ports whose connections are captured, to whatever address they go. */
  readonly tcpPorts: readonly number[]
  /** Where the explicit proxy listens, and only there: the workload's own loopback stays its own. */
  readonly proxy: SocketAddress
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
export async function openMoat({ tcpPorts, proxy, signal }: MoatOptions): Promise<Moat> {
  const ports = [...new Set(tcpPorts)]
  refuseOwnPorts(ports, proxy.port)
  const request: MoatRequest = {
    ip: requireProgram('ip'),
    tcp: [proxy, ...[DNS_PORT, ...ports].map((port) => ({ address: ANYWHERE, port }))],
    udp: [ANYWHERE, ...RESOLVERS].map((address) => ({ address, port: DNS_PORT })),
  }
  const helper = startHelper(request, signal)
  const namespaces: number[] = []
  const received = receive(helper, request)
  try {
    const { tcp, udp } = await received.sockets
    namespaces.push(openSync(`/proc/${helper.pid}/ns/user`, 'r'), openSync(`/proc/${helper.pid}/ns/net`, 'r'))
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
    closeSockets(received.soFar())
    for (const namespace of namespaces) closeSync(namespace)
    helper.kill('SIGKILL')
    throw error
  } finally {
    await dismiss(helper)
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

function startHelper(request: MoatRequest, signal: AbortSignal | undefined): ChildProcess {
  const helper = fileURLToPath(new URL(`./moat-helper${extname(import.meta.url)}`, import.meta.url))
  const inNamespaces = ['--user', '--map-current-user', '--keep-caps', '--net', '--']
  return spawn(requireProgram('unshare'), [...inNamespaces, process.execPath, helper, JSON.stringify(request)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: helperEnvironment(),
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  })
}

/** Nothing of ours but the compile cache, if this process has one: it halves the helper's start from TypeScript. */
function helperEnvironment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir()
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }
}

interface Sockets {
  readonly tcp: readonly Server[]
  readonly udp: readonly UdpSocket[]
}

interface Reception {
  readonly sockets: Promise<Sockets>
  /** What has arrived, whether or not the rest does. */
  soFar(): readonly (Server | UdpSocket)[]
}

function receive(helper: ChildProcess, request: MoatRequest): Reception {
  const tcp: Server[] = []
  const udp: UdpSocket[] = []
  const problem = helper.stderr === null ? () => '' : boundedText(helper.stderr)
  const sockets = new Promise<Sockets>((resolve, reject) => {
    helper.on('message', (message: MoatMessage, handle: unknown) => {
      if (message.kind === 'failed') reject(helperFailure(message.step, message.problem))
      else if (message.kind === 'tcp' && handle instanceof Server) tcp[message.index] = handle
      else if (message.kind === 'udp' && handle instanceof UdpSocket) udp[message.index] = handle
      else if (message.kind === 'done' && tcp.length === request.tcp.length && udp.length === message.udp) {
        resolve({ tcp, udp })
      } else reject(new CageError('internal', `unexpected message from the network namespace: ${message.kind}`))
    })
    helper.once('error', (error) => {
      reject(error.name === 'AbortError' ? error : namespaceFailure(error.message))
    })
    helper.once('close', (code, signal) =>
      reject(namespaceFailure(problem().trim() || `it ended with ${signal ?? code}`)),
    )
  })
  return { sockets, soFar: () => [...tcp, ...udp].filter((socket) => socket !== undefined) }
}

function helperFailure(step: 'routes' | 'listen', problem: string): CageError {
  if (step === 'routes') return namespaceFailure(problem)
  return new CageError('listen_failed', `cannot listen in the cage's network: ${problem}`, {
    hint: 'Check ports.tcp.allow.',
  })
}

/** The open descriptors keep the namespaces; the helper has nothing left to do and ends when its channel closes. */
async function dismiss(helper: ChildProcess): Promise<void> {
  if (helper.connected) helper.disconnect()
  if (helper.pid === undefined || helper.exitCode !== null || helper.signalCode !== null) return
  await new Promise<void>((resolve) => void helper.once('exit', () => resolve()))
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
