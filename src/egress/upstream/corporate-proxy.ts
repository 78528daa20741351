import type { Socket } from 'node:net'
import { formatAuthority, parseAuthority, type Authority } from '../../policy/host.ts'
import { Denial } from '../denial.ts'

/** `upstream.proxy`, read once. */
export interface UpstreamProxy {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  /** Value of `Proxy-Authorization`; it is a credential. */
  readonly authorization: string | undefined
}

const HEAD_BYTES = 16_384
const TIMEOUT_MS = 15_000

/** Reads `http://[user:password@]host:port`. Throws a TypeError when it names no usable host. */
export function parseUpstreamProxy(text: string): UpstreamProxy {
  const url = new URL(text)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const authority = parseAuthority(url.host, scheme === 'https' ? 443 : 80)
  if (authority === undefined) throw new TypeError('upstream.proxy names no usable host')
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  const authorization = url.username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
  return { scheme, authority, authorization }
}

/** Asks the proxy for a tunnel (RFC 9110 section 9.3.6) and returns the socket once it is one. */
export async function openTunnel(socket: Socket, target: Authority, proxy: UpstreamProxy): Promise<Socket> {
  const name = formatAuthority(target)
  const credentials = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`
  socket.write(`CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n${credentials}\r\n`, 'latin1')
  try {
    const status = statusOf(await readHead(socket))
    if (status >= 200 && status < 300) return socket
    throw new Error(`the proxy answered ${status}`)
  } catch (error) {
    socket.destroy()
    throw new Denial('upstream_unreachable', `the upstream proxy gave no tunnel to ${name}`, { cause: error })
  }
}

/** The response head, read byte-exactly: whatever follows it already belongs to the tunnel and stays in the socket. */
function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0)
    const timer = setTimeout(() => finish(new Error('timed out')), TIMEOUT_MS)
    function finish(outcome: Error | string): void {
      clearTimeout(timer)
      socket.off('readable', onReadable).off('end', onEnd).off('error', finish)
      if (typeof outcome === 'string') resolve(outcome)
      else reject(outcome)
    }
    function onReadable(): void {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      seen = Buffer.concat([seen, chunk])
      const end = seen.indexOf('\r\n\r\n')
      if (end === -1) {
        if (seen.length > HEAD_BYTES) finish(new Error('the response head is too long'))
        return
      }
      if (seen.length > end + 4) socket.unshift(seen.subarray(end + 4))
      finish(seen.toString('latin1', 0, end))
    }
    function onEnd(): void {
      finish(new Error('the connection ended'))
    }
    socket.on('readable', onReadable).on('end', onEnd).on('error', finish)
  })
}

function statusOf(head: string): number {
  const match = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head)
  if (match === null) throw new Error('the response is not HTTP')
  return Number(match[1])
}
