import { isIPv4, isIPv6 } from 'node:net'
import {
  HEADER_LENGTH,
  TYPE,
  type AddressRecord,
  type Edns,
  type Query,
  type QueryHeader,
  type Rcode,
} from './message.ts'

/** Bytes: the largest UDP response we send, whatever the sender takes. Fits IPv6's smallest MTU (DNS flag day 2020). */
export const MAX_UDP_RESPONSE = 1232

export interface Response {
  readonly rcode: Rcode
  readonly answers: readonly AddressRecord[]
  /** Adds an SOA record, so that resolvers remember the "no" and do not ask again (RFC 2308). */
  readonly soa: boolean
}

/** Bytes: what the sender takes over UDP, 512 without EDNS, never beyond our own bound. */
export function udpLimit(query: Query): number {
  return Math.min(query.edns?.udpPayloadSize ?? 512, MAX_UDP_RESPONSE)
}

/** Writes a response. One beyond `limit` bytes goes without records and with TC set: the sender asks again over TCP. */
export function encodeResponse(query: Query, response: Response, limit: number): Buffer {
  const records = [...response.answers.map(encodeAddress), ...(response.soa ? [SOA] : [])]
  const opt = query.edns === undefined ? [] : [encodeOpt(query.edns, response.rcode)]
  const length = HEADER_LENGTH + [query.question.wire, ...records, ...opt].reduce((sum, part) => sum + part.length, 0)
  const truncated = length > limit
  const header = encodeHeader(query, response.rcode, truncated)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(truncated ? 0 : response.answers.length, 6)
  header.writeUInt16BE(truncated || !response.soa ? 0 : 1, 8)
  header.writeUInt16BE(opt.length, 10)
  return Buffer.concat([header, query.question.wire, ...(truncated ? [] : records), ...opt])
}

/** A header with a code and no question: the answer to what could not be read. */
export function encodeError(header: QueryHeader, rcode: Rcode): Buffer {
  return encodeHeader(header, rcode, false)
}

/** QR set, RA set; AA and AD never: what we say is neither the owner's word nor validated. */
function encodeHeader(query: QueryHeader, rcode: Rcode, truncated: boolean): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH)
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (truncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    0x0080 |
    (query.checkingDisabled ? 0x0010 : 0) |
    (rcode & 0xf)
  header.writeUInt16BE(query.id, 0)
  header.writeUInt16BE(flags, 2)
  return header
}

/** Our OPT record: no options, DO as it was asked (RFC 3225 section 3), upper bits of the code. */
function encodeOpt(edns: Edns, rcode: Rcode): Buffer {
  const opt = Buffer.alloc(11)
  opt.writeUInt16BE(TYPE.OPT, 1)
  opt.writeUInt16BE(MAX_UDP_RESPONSE, 3)
  opt.writeUInt8(rcode >> 4, 5)
  opt.writeUInt16BE(edns.dnssecOk ? 0x8000 : 0, 7)
  return opt
}

/** Name: a pointer to the question's, which always stands right behind the header. */
function encodeAddress(record: AddressRecord): Buffer {
  const data = record.type === 'A' ? bytesOfIPv4(record.address) : bytesOfIPv6(record.address)
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt16BE(0xc000 | HEADER_LENGTH, 0)
  bytes.writeUInt16BE(TYPE[record.type], 2)
  bytes.writeUInt16BE(1, 4)
  bytes.writeUInt32BE(record.ttl, 6)
  bytes.writeUInt16BE(data.length, 10)
  data.copy(bytes, 12)
  return bytes
}

function bytesOfIPv4(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError(`not an IPv4 address: ${address}`)
  return Buffer.from(address.split('.').map(Number))
}

function bytesOfIPv6(address: string): Buffer {
  if (!isIPv6(address) || address.includes('%')) throw new TypeError(`not an IPv6 address: ${address}`)
  // The URL parser writes every form, an embedded IPv4 address among them, as RFC 5952 groups.
  const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail)
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

/** Seconds that "no" may be remembered: short, because an edit of the policy takes effect at once. */
const NEGATIVE_TTL = 10

/** The zone that says no: owner is the root, because whatever the question, the answer is ours alone. */
const SOA: Buffer = encodeSoa()

function encodeSoa(): Buffer {
  const primary = Buffer.from('\x09agentcage\x07invalid\x00', 'latin1')
  const mailbox = Buffer.from([0])
  const numbers = Buffer.alloc(20)
  for (const [index, value] of [1, 3600, 600, 86_400, NEGATIVE_TTL].entries()) numbers.writeUInt32BE(value, index * 4)
  const data = Buffer.concat([primary, mailbox, numbers])
  const fixed = Buffer.alloc(11)
  fixed.writeUInt16BE(TYPE.SOA, 1)
  fixed.writeUInt16BE(1, 3)
  fixed.writeUInt32BE(NEGATIVE_TTL, 5)
  fixed.writeUInt16BE(data.length, 9)
  return Buffer.concat([fixed, data])
}
