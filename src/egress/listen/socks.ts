import { parseHostname, type Authority } from '../../policy/host.ts'

/** What a piece of the handshake led to. `reply` is sent first, whatever the kind; it may be empty. */
export type SocksStep =
  | { readonly kind: 'more'; readonly reply: Buffer }
  /** Ask for the connection, answer with `encodeSocksReply`, then treat `rest` as the first bytes of the tunnel. */
  | { readonly kind: 'connect'; readonly reply: Buffer; readonly authority: Authority; readonly rest: Buffer }
  /** Send the reply and close. */
  | { readonly kind: 'reject'; readonly reply: Buffer; readonly reason: string }

/** Reply codes (RFC 1928 section 6). */
const REPLY = {
  succeeded: 0x00,
  failed: 0x01,
  'not allowed': 0x02,
  'network unreachable': 0x03,
  'host unreachable': 0x04,
  refused: 0x05,
  'command not supported': 0x07,
  'address type not supported': 0x08,
} as const

export type SocksReply = keyof typeof REPLY

/**
 * The reply to a request: version, code, and the bound address 0.0.0.0:0, because which address the egress uses
 * is no business of the workload's.
 */
export function encodeSocksReply(reply: SocksReply): Buffer {
  return Buffer.from([0x05, REPLY[reply], 0x00, 0x01, 0, 0, 0, 0, 0, 0])
}

const SOCKS5 = 0x05
const NO_AUTHENTICATION = 0x00
const NO_ACCEPTABLE_METHOD = 0xff
const CONNECT = 0x01

/**
 * The server's side of a SOCKS5 handshake (RFC 1928): no authentication, CONNECT only. Takes bytes cut anywhere and
 * holds at most one message, which is at most 262 bytes. Never throws on what a client sends.
 */
export class SocksHandshake {
  #state: 'greeting' | 'request' | 'over' = 'greeting'
  #pending: Buffer = Buffer.alloc(0)

  /** Takes the next bytes. Not to be called any more after `connect` or `reject`. */
  push(bytes: Buffer): SocksStep {
    if (this.#state === 'over') throw new Error('the SOCKS handshake is over')
    this.#pending = Buffer.concat([this.#pending, bytes])
    let reply: Buffer = Buffer.alloc(0)
    if (this.#state === 'greeting') {
      const greeting = parseGreeting(this.#pending)
      if (greeting.kind !== 'message') return this.#stop(greeting, reply)
      this.#pending = this.#pending.subarray(greeting.length)
      this.#state = 'request'
      reply = Buffer.from([SOCKS5, NO_AUTHENTICATION])
    }
    const request = parseRequest(this.#pending)
    if (request.kind !== 'message') return this.#stop(request, reply)
    this.#state = 'over'
    return { kind: 'connect', reply, authority: request.value, rest: this.#pending.subarray(request.length) }
  }

  #stop(parsed: Incomplete | Refused, before: Buffer): SocksStep {
    if (parsed.kind === 'incomplete') return { kind: 'more', reply: before }
    this.#state = 'over'
    return { kind: 'reject', reply: Buffer.concat([before, parsed.reply]), reason: parsed.reason }
  }
}

interface Incomplete {
  readonly kind: 'incomplete'
}

interface Refused {
  readonly kind: 'refused'
  readonly reply: Buffer
  readonly reason: string
}

type Parsed<T> = { readonly kind: 'message'; readonly value: T; readonly length: number } | Incomplete | Refused

const INCOMPLETE: Incomplete = { kind: 'incomplete' }

/** Version, number of methods, methods. */
function parseGreeting(bytes: Buffer): Parsed<void> {
  const [version, count] = bytes
  if (version === undefined) return INCOMPLETE
  if (version !== SOCKS5) return refuseVersion(version)
  if (count === undefined || bytes.length < 2 + count) return INCOMPLETE
  if (!bytes.subarray(2, 2 + count).includes(NO_AUTHENTICATION)) {
    const reply = Buffer.from([SOCKS5, NO_ACCEPTABLE_METHOD])
    return { kind: 'refused', reply, reason: 'SOCKS: no offer to go without authentication' }
  }
  return { kind: 'message', value: undefined, length: 2 + count }
}

function refuseVersion(version: number): Refused {
  if (version !== 0x04) return { kind: 'refused', reply: Buffer.alloc(0), reason: `SOCKS: version ${version}` }
  // SOCKS4's own form: NUL, "rejected", port and address that mean nothing.
  const reply = Buffer.from([0x00, 0x5b, 0, 0, 0, 0, 0, 0])
  return { kind: 'refused', reply, reason: 'SOCKS4 is not supported; use SOCKS5 (socks5h://)' }
}

/** Version, command, reserved, address type, address, port. Refuses at the first byte that cannot be right. */
function parseRequest(bytes: Buffer): Parsed<Authority> {
  const [version, command, reserved, type] = bytes
  if (version === undefined) return INCOMPLETE
  if (version !== SOCKS5) return refuse('failed', `version ${version} in a request`)
  if (command === undefined) return INCOMPLETE
  if (command !== CONNECT) return refuse('command not supported', `${commandName(command)} is not supported`)
  if (reserved === undefined) return INCOMPLETE
  if (reserved !== 0) return refuse('failed', 'reserved byte is not zero')
  if (type === undefined) return INCOMPLETE
  const field = addressField(type, bytes)
  if (field.kind !== 'message') return field
  const end = field.length + 2
  if (bytes.length < end) return INCOMPLETE
  const port = bytes.readUInt16BE(field.length)
  if (port === 0) return refuse('failed', 'port 0')
  const host = parseHostname(field.value)
  if (host === undefined) return refuse('address type not supported', 'not a host name')
  return { kind: 'message', value: { host, port }, length: end }
}

function commandName(command: number): string {
  if (command === 0x02) return 'BIND'
  return command === 0x03 ? 'UDP ASSOCIATE' : `command ${command}`
}

/** The address as text, and where it ends. */
function addressField(type: number, bytes: Buffer): Parsed<string> {
  switch (type) {
    case 0x01:
      return addressText(bytes, 4, 8, (field) => field.join('.'))
    case 0x03: {
      const length = bytes[4]
      if (length === undefined) return INCOMPLETE
      if (length === 0) return refuse('address type not supported', 'empty host name')
      return addressText(bytes, 5, 5 + length, domainText)
    }
    case 0x04:
      return addressText(bytes, 4, 20, (field) => (field.toString('hex').match(/.{4}/g) ?? []).join(':'))
    default:
      return refuse('address type not supported', `address type ${type}`)
  }
}

function addressText(bytes: Buffer, start: number, end: number, read: (field: Buffer) => string): Parsed<string> {
  if (bytes.length < end) return INCOMPLETE
  return { kind: 'message', value: read(bytes.subarray(start, end)), length: end }
}

/** As Latin-1: every byte stays one character, so NUL, UTF-8 and `@` reach `parseHostname` and are refused there. */
function domainText(field: Buffer): string {
  return field.toString('latin1')
}

function refuse(reply: SocksReply, problem: string): Refused {
  return { kind: 'refused', reply: encodeSocksReply(reply), reason: `SOCKS: ${problem}` }
}
