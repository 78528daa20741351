import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Identity } from '../../support/test-authority.ts'

export interface ProxyServer {
  readonly address: string
  /** Heads of the requests that arrived: `METHOD target` and the raw fields. */
  readonly requests: readonly { readonly line: string; readonly fields: readonly string[] }[]
}

/**
 * A forward proxy as companies run them: CONNECT and absolute-form, with what it is asked for led to `targets`.
 * With an `identity` it is spoken to over TLS. Ended with the test.
 */
export async function startProxy(
  t: TestContext,
  targets: Readonly<Record<string, string>>,
  identity?: Identity,
): Promise<ProxyServer> {
  const requests: { line: string; fields: readonly string[] }[] = []
  const sockets = new Set<Socket>()
  const note = ({ method, url, rawHeaders }: IncomingMessage) =>
    requests.push({ line: `${method} ${url}`, fields: rawHeaders })
  const forward: RequestListener = (request, response) => {
    note(request)
    const { host, pathname, search } = new URL(request.url ?? '')
    const [address, port] = (targets[`${host}:80`] ?? '').split(':')
    const onward = http.request({
      host: address,
      port,
      path: pathname + search,
      method: request.method,
      headers: request.rawHeaders as never,
      setHost: false,
    })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.rawHeaders)
      answer.pipe(response)
    })
    request.pipe(onward)
  }
  const server = identity === undefined ? http.createServer(forward) : https.createServer({ ...identity }, forward)
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    note(request)
    const target = targets[request.url ?? '']
    if (target === undefined) return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    const onward = net.connect(Number(target.split(':')[1]), '127.0.0.1')
    sockets.add(onward)
    for (const side of [socket, onward]) side.on('error', () => side.destroy())
    socket.write('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n')
    socket.pipe(onward).pipe(socket)
  })
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
