import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { run } from '../../support/command.ts'
import { findTool } from '../../support/requires.ts'

/** A ClientHello as a real program sent it. */
export interface RealHello {
  readonly client: string
  readonly bytes: Buffer
  readonly serverName: string | undefined
  readonly alpn: readonly string[]
}

const NAME = 'api.example.com'
const PROTOCOLS = ['h2', 'http/1.1']

/** From Node always; from curl, OpenSSL and Python where they are installed. */
export async function captureHellos(): Promise<RealHello[]> {
  const hellos: RealHello[] = []
  for (const { client, tool, serverName = NAME, alpn = PROTOCOLS, start } of CLIENTS) {
    if (tool !== undefined && findTool(tool) === undefined) continue
    const bytes = await capture(start)
    hellos.push({ client, bytes, serverName: serverName === '' ? undefined : serverName, alpn })
  }
  return hellos
}

interface Client {
  readonly client: string
  /** Program that it needs. */
  readonly tool?: string
  /** What it is told to send, where that is not `NAME` and `PROTOCOLS`; '' is no name. */
  readonly serverName?: string
  readonly alpn?: readonly string[]
  /** Connects to 127.0.0.1 and settles when the connection has ended. */
  readonly start: (port: number) => Promise<unknown>
}

const CLIENTS: readonly Client[] = [
  { client: 'Node', start: (port) => node(port, { servername: NAME, ALPNProtocols: PROTOCOLS }) },
  { client: 'Node, TLS 1.2', alpn: [], start: (port) => node(port, { servername: NAME, maxVersion: 'TLSv1.2' }) },
  { client: 'Node, TLS 1.3 alone', alpn: [], start: (port) => node(port, { servername: NAME, minVersion: 'TLSv1.3' }) },
  { client: 'Node, no name', serverName: '', alpn: [], start: (port) => node(port, {}) },
  { client: 'curl', tool: 'curl', start: (port) => curl(port) },
  { client: 'curl, HTTP/1.1', tool: 'curl', alpn: ['http/1.1'], start: (port) => curl(port, '--http1.1') },
  { client: 'OpenSSL', tool: 'openssl', start: (port) => openssl(port, '-alpn', 'h2,http/1.1') },
  { client: 'OpenSSL, TLS 1.2', tool: 'openssl', alpn: [], start: (port) => openssl(port, '-tls1_2', '-no_ticket') },
  { client: 'Python', tool: 'python3', alpn: [], start: python },
]

async function node(port: number, options: tls.ConnectionOptions): Promise<void> {
  const socket = tls.connect({ ...options, port, host: '127.0.0.1' })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
}

async function curl(port: number, ...flags: string[]): Promise<void> {
  const target = ['--connect-to', `::127.0.0.1:${port}`, `https://${NAME}/`]
  await run('curl', ['-sk', '--noproxy', '*', ...flags, ...target])
}

async function openssl(port: number, ...flags: string[]): Promise<void> {
  await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', NAME, ...flags])
}

async function python(port: number): Promise<void> {
  const script = `
import socket, ssl
with socket.create_connection(("127.0.0.1", ${port})) as plain:
    ssl.create_default_context().wrap_socket(plain, server_hostname="${NAME}")`
  await run('python3', ['-c', script])
}

/** All that a client sends before it is answered: it gets no answer but the end of the connection. */
async function capture(start: Client['start']): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = start((server.address() as net.AddressInfo).port)
  const [socket] = (await once(server, 'connection')) as [net.Socket]
  const chunks: Buffer[] = []
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer)
    if (isWhole(Buffer.concat(chunks))) break
  }
  socket.destroy()
  server.close()
  await client
  return Buffer.concat(chunks)
}

/** Whether all of the record is there; every client here sends one. */
function isWhole(bytes: Buffer): boolean {
  return bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)
}
