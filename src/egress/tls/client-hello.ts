import { isAddress, parseHostname } from '../../policy/host.ts'
import { ByteCursor, MalformedError } from './byte-cursor.ts'

/** What the first bytes of a connection say. `serverName` is as sent; `alpn` holds protocol names as Latin-1. */
export type ClientHello =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'hello'; readonly serverName: string | undefined; readonly alpn: readonly string[] }

/** Largest handshake message that is read. Real ones, post-quantum key shares included, stay below 4 KiB. */
export const MAX_CLIENT_HELLO = 65_536
/** Most records that one hello may be spread over, so that looking at a hello that trickles in costs next to nothing. */
const MAX_RECORDS = 64

/**
 * Reads the TLS ClientHello at the start of `bytes`, all that a client has sent so far. Never throws.
 *
 * The name found here decides what a connection may do, and OpenSSL then reads the same bytes to serve it. Wherever
 * two readers could differ on the name (duplicates, odd lengths, trailing bytes, other name types) the hello is
 * invalid, also where a lenient server would go on.
 */
export function readClientHello(bytes: Buffer): ClientHello {
  try {
    const message = joinRecords(bytes)
    return message === undefined ? { kind: 'incomplete' } : readHello(message)
  } catch (error) {
    if (error instanceof MalformedError) return { kind: 'invalid', reason: error.message }
    throw error
  }
}

/**
 * The body of the first handshake message, which may be spread over records at any byte (RFC 8446 section 5.1).
 * Undefined if more bytes are needed; what is there is judged all the same.
 */
function joinRecords(bytes: Buffer): Buffer | undefined {
  const fragments: Buffer[] = []
  let gathered = 0
  let messageLength = Infinity
  for (let at = 0; gathered < messageLength;) {
    const recordLength = readRecordHeader(bytes.subarray(at, at + RECORD_HEADER))
    if (recordLength === undefined) return undefined
    if (fragments.length === MAX_RECORDS)
      throw new MalformedError(`the hello is spread over more than ${MAX_RECORDS} records`)
    const fragment = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + recordLength)
    fragments.push(fragment)
    gathered += recordLength
    at += RECORD_HEADER + recordLength
    if (messageLength === Infinity) messageLength = readMessageLength(fragments) ?? Infinity
    // Nothing may follow a ClientHello in its record: keys change after it (RFC 8446 section 5.1).
    if (gathered > messageLength) throw new MalformedError('the record goes on after the hello')
    if (fragment.length < recordLength) return undefined
  }
  return Buffer.concat(fragments).subarray(MESSAGE_HEADER)
}

const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const MAX_FRAGMENT = 2 ** 14

/** Length of the fragment, or undefined if the header is not all there. A wrong byte is refused as soon as it is seen. */
function readRecordHeader(header: Buffer): number | undefined {
  const [type, major] = header
  // Also what an SSLv2 hello fails on, which OpenSSL would still read (RFC 6176, RFC 8446 appendix D.5).
  if (type !== undefined && type !== 22) throw new MalformedError('not a TLS handshake record')
  if (major !== undefined && major !== 3) throw new MalformedError('not a TLS version')
  if (header.length < RECORD_HEADER) return undefined
  const length = header.readUInt16BE(3)
  // "Implementations MUST NOT send zero-length fragments of Handshake types" (RFC 8446 section 5.1).
  if (length === 0) throw new MalformedError('a record is empty')
  if (length > MAX_FRAGMENT) throw new MalformedError('a record is too long')
  return length
}

/** Length of the message with its header, or undefined if the header is not all there. */
function readMessageLength(fragments: readonly Buffer[]): number | undefined {
  const header = Buffer.concat(fragments.map((fragment) => fragment.subarray(0, MESSAGE_HEADER))).subarray(
    0,
    MESSAGE_HEADER,
  )
  if (header.length > 0 && header[0] !== 1) throw new MalformedError('not a ClientHello')
  if (header.length < MESSAGE_HEADER) return undefined
  const length = header.readUIntBE(1, 3)
  if (length > MAX_CLIENT_HELLO - MESSAGE_HEADER) throw new MalformedError('the hello is too long')
  return MESSAGE_HEADER + length
}

/** RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2. */
function readHello(body: Buffer): ClientHello {
  const hello = new ByteCursor(body)
  if (hello.uint(2, 'version') >> 8 !== 3) throw new MalformedError('not a TLS version')
  hello.take(32, 'random')
  hello.vector({ lengthBytes: 1, min: 0, max: 32 }, 'session_id')
  const suites = hello.vector({ lengthBytes: 2, min: 2, max: 0xfffe }, 'cipher_suites')
  if (suites.length % 2 !== 0) throw new MalformedError('cipher_suites has half a suite')
  const compression = hello.vector({ lengthBytes: 1, min: 1, max: 0xff }, 'compression_methods')
  if (!compression.includes(0)) throw new MalformedError('compression_methods lacks null')
  // Before TLS 1.3 a hello may end here.
  if (hello.remaining === 0) return { kind: 'hello', serverName: undefined, alpn: [] }
  const extensions = readExtensions(hello.vector({ lengthBytes: 2, min: 0, max: 0xffff }, 'extensions'))
  hello.end('extensions')
  const serverName = extensions.get(SERVER_NAME)
  const alpn = extensions.get(ALPN)
  return {
    kind: 'hello',
    serverName: serverName === undefined ? undefined : readServerName(serverName),
    alpn: alpn === undefined ? [] : readAlpn(alpn),
  }
}

const SERVER_NAME = 0
const ALPN = 16
const PRE_SHARED_KEY = 41

/** "There MUST NOT be more than one extension of the same type" (RFC 8446 section 4.2): which one would count? */
function readExtensions(list: Buffer): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>()
  for (const cursor = new ByteCursor(list); cursor.remaining > 0;) {
    // RFC 8446 section 4.2.11.
    if (extensions.has(PRE_SHARED_KEY)) throw new MalformedError('pre_shared_key is not the last extension')
    const type = cursor.uint(2, 'extension type')
    if (extensions.has(type)) throw new MalformedError(`extension ${type} stands there twice`)
    extensions.set(type, cursor.vector({ lengthBytes: 2, min: 0, max: 0xffff }, `extension ${type}`))
  }
  return extensions
}

/**
 * RFC 6066 section 3: a list with at most one name of each type. The one type there is, is host_name; of others not
 * even the length is known. Literal addresses "are not permitted in HostName".
 */
function readServerName(extension: Buffer): string {
  const cursor = new ByteCursor(extension)
  const list = new ByteCursor(cursor.vector({ lengthBytes: 2, min: 1, max: 0xffff }, 'server_name list'))
  cursor.end('server_name list')
  if (list.uint(1, 'name_type') !== 0) throw new MalformedError('the server name is not a host name')
  const name = list.vector({ lengthBytes: 2, min: 1, max: 255 }, 'host_name')
  list.end('host_name')
  // Latin-1 keeps every byte apart; what is not ASCII, NUL included, then fails to parse as a host.
  const text = name.toString('latin1')
  const host = parseHostname(text)
  if (host === undefined || isAddress(host)) throw new MalformedError('the server name is not a host name')
  return text
}

/** RFC 7301 section 3.1. */
function readAlpn(extension: Buffer): string[] {
  const cursor = new ByteCursor(extension)
  const list = new ByteCursor(cursor.vector({ lengthBytes: 2, min: 2, max: 0xffff }, 'protocol_name_list'))
  cursor.end('protocol_name_list')
  const names: string[] = []
  while (list.remaining > 0)
    names.push(list.vector({ lengthBytes: 1, min: 1, max: 0xff }, 'protocol name').toString('latin1'))
  return names
}
