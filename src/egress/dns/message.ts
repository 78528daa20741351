/** The parts of DNS messages (RFC 1035 section 4) that the egress reads and writes, and their limits. */

/** Bytes. No query has a reason to be longer; a TCP frame that announces more is not waited for. */
export const MAX_MESSAGE = 4096

/** Bytes: header of every message. */
export const HEADER_LENGTH = 12

export const TYPE = { A: 1, SOA: 6, PTR: 12, AAAA: 28, OPT: 41, SVCB: 64, HTTPS: 65, ANY: 255 } as const

export const CLASS_IN = 1

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const

/** A response code. `BADVERS` does not fit the header's four bits: its upper part travels in the OPT record. */
export type Rcode = (typeof RCODE)[keyof typeof RCODE]

/** What a query carries beside its question. Flags that a response repeats. */
export interface QueryHeader {
  readonly id: number
  /** 4 bits; 0 is QUERY. */
  readonly opcode: number
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
}

export interface Question {
  /**
   * The name as labels, root left out: `[]` is the root. A label may hold any byte, a dot included, so labels must
   * never be joined before each one was checked: the one label `evil.example` and the two labels `evil`, `example`
   * would become the same text and be judged as the same name.
   */
  readonly labels: readonly Buffer[]
  readonly type: number
  readonly class: number
  /** The question section byte for byte. Echoed as it came: resolvers put entropy into the case (0x20 encoding). */
  readonly wire: Buffer
}

/** The sender's OPT record (RFC 6891). */
export interface Edns {
  /** Bytes of the largest UDP response the sender takes; at least 512. */
  readonly udpPayloadSize: number
  readonly version: number
  readonly dnssecOk: boolean
}

export interface Query extends QueryHeader {
  readonly kind: 'query'
  readonly question: Question
  readonly edns: Edns | undefined
}

/** A message that is not a query we answer with records. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly reason: string
  /** What to send back: a header with this code. Absent: the message is too short to have an id. */
  readonly error?: { readonly header: QueryHeader; readonly rcode: Rcode }
}

/** A message with QR=1. Who answers one can be made to exchange errors with another server for ever (CVE-2024-2169). */
export interface StrayResponse {
  readonly kind: 'response'
}

/** A record in an answer section. `ttl` in seconds. */
export interface AddressRecord {
  readonly type: 'A' | 'AAAA'
  /** As `net.isIP` accepts it, without zone. */
  readonly address: string
  readonly ttl: number
}

/** `A`, `HTTPS`, … or `TYPE1234` for a type without a name here (RFC 3597 section 5). */
export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [10, 'NULL'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [28, 'AAAA'],
  [29, 'LOC'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [39, 'DNAME'],
  [41, 'OPT'],
  [43, 'DS'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [52, 'TLSA'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [256, 'URI'],
  [257, 'CAA'],
])

/**
 * The name for a log, in lower case. What is not a letter, digit, hyphen or underscore becomes `\DDD`
 * (RFC 1035 section 5.1), so no two names read the same and none can forge a line.
 */
export function presentName(labels: readonly Buffer[]): string {
  if (labels.length === 0) return '.'
  return labels
    .map((label) => label.toString('latin1').replace(/[^A-Za-z0-9_-]/g, escapeByte))
    .join('.')
    .toLowerCase()
}

function escapeByte(byte: string): string {
  return `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`
}
