import type { Socket } from 'node:net'
import { readClientHello } from '../tls/client-hello.ts'

/** What a client speaks, told from its first bytes alone. */
export type Opening =
  | { readonly kind: 'tls'; readonly serverName: string | undefined }
  | { readonly kind: 'http' }
  | { readonly kind: 'socks5' }
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The client went away, or sent nothing at all. */
  | { readonly kind: 'closed'; readonly silent: boolean }

/** A client that waits for the server to speak first (SSH, SMTP) waits here until this ends it. */
const PATIENCE_MS = 10_000

/** Reads until the opening is known, and puts every byte back. Never rejects. */
export function readOpening(socket: Socket): Promise<Opening> {
  return new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0)
    const timer = setTimeout(() => finish({ kind: 'unknown', reason: 'no complete opening in time' }), PATIENCE_MS)
    function finish(opening: Opening): void {
      clearTimeout(timer)
      socket.off('readable', look).off('end', closed).off('close', closed).off('error', closed)
      if (seen.length > 0 && !socket.destroyed) socket.unshift(seen)
      resolve(opening)
    }
    function look(): void {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const opening = classify(seen)
      if (opening !== undefined) finish(opening)
    }
    function closed(): void {
      finish({ kind: 'closed', silent: seen.length === 0 })
    }
    socket.on('readable', look).once('end', closed).once('close', closed).once('error', closed)
  })
}

const TLS_HANDSHAKE = 0x16
const SOCKS5 = 0x05

/** Longest method that is recognised; RFC 9110 sets no bound, real ones have at most 17 letters. */
const METHOD_BYTES = 24

/** Undefined: more bytes are needed. */
function classify(bytes: Buffer): Opening | undefined {
  if (bytes[0] === TLS_HANDSHAKE) {
    const hello = readClientHello(bytes)
    if (hello.kind === 'incomplete') return undefined
    if (hello.kind === 'invalid') return { kind: 'unknown', reason: `malformed TLS ClientHello: ${hello.reason}` }
    return { kind: 'tls', serverName: hello.serverName }
  }
  if (bytes[0] === SOCKS5) return { kind: 'socks5' }
  const method = /^[A-Z-]{1,24}/.exec(bytes.toString('latin1', 0, METHOD_BYTES + 1))?.[0] ?? ''
  if (method.length === bytes.length && method.length <= METHOD_BYTES) return undefined
  if (method !== '' && bytes[method.length] === 0x20) {
    return method === 'PRI' ? { kind: 'unknown', reason: 'HTTP/2 without TLS is not supported' } : { kind: 'http' }
  }
  return { kind: 'unknown', reason: 'neither TLS nor HTTP' }
}
