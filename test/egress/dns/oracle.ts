import { createRequire } from 'node:module'

/** An independent reading of DNS messages: dns-packet, of which only what the tests look at is typed. */
interface DnsPacket {
  encode(packet: OraclePacket): Buffer
  decode: ((bytes: Buffer) => OraclePacket) & { readonly bytes: number }
}

export interface OracleRecord {
  readonly type: string
  readonly name: string
  readonly ttl?: number
  readonly data?: unknown
  readonly udpPayloadSize?: number
  readonly extendedRcode?: number
  readonly ednsVersion?: number
  readonly flags?: number
  readonly options?: readonly unknown[]
}

export interface OraclePacket {
  readonly id?: number
  readonly type?: string
  readonly flags?: number
  readonly rcode?: string
  readonly flag_tc?: boolean
  readonly questions?: readonly { readonly type: string; readonly name: string; readonly class?: string }[]
  readonly answers?: readonly OracleRecord[]
  readonly authorities?: readonly OracleRecord[]
  readonly additionals?: readonly OracleRecord[]
}

const packet = createRequire(import.meta.url)('dns-packet') as DnsPacket

export const RECURSION_DESIRED = 0x0100

export function encodeWithOracle(question: OraclePacket): Buffer {
  return packet.encode(question)
}

/** Reads a message and makes sure that nothing stands behind it. */
export function readWithOracle(bytes: Buffer): Required<OraclePacket> {
  const decoded = packet.decode(bytes)
  if (packet.decode.bytes !== bytes.length) {
    throw new Error(`read ${packet.decode.bytes} of ${bytes.length} bytes: ${bytes.toString('hex')}`)
  }
  return decoded as Required<OraclePacket>
}

/** The OPT record as the oracle takes it. */
export function opt(udpPayloadSize: number, flags = 0, ednsVersion = 0): OracleRecord {
  return { type: 'OPT', name: '.', udpPayloadSize, extendedRcode: 0, ednsVersion, flags, options: [] }
}

/** A query byte by byte, for what no library would write. Counts are question, answer, authority, additional. */
export function rawQuery(
  parts: {
    readonly id?: number
    readonly flags?: number
    readonly counts?: readonly [number, number, number, number]
    readonly name?: Buffer
    readonly type?: number
    readonly class?: number
    readonly tail?: Buffer
  } = {},
): Buffer {
  const counts = parts.counts ?? [1, 0, 0, 0]
  const numbers = (...values: number[]): Buffer => Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
  return Buffer.concat([
    numbers(parts.id ?? 0x1234, parts.flags ?? RECURSION_DESIRED, ...counts),
    parts.name ?? wireName('api', 'example', 'com'),
    numbers(parts.type ?? 1, parts.class ?? 1),
    parts.tail ?? Buffer.alloc(0),
  ])
}

/** Labels as they stand on the wire, each with its length, and the root. */
export function wireName(...labels: readonly (string | Buffer)[]): Buffer {
  const parts = labels.map((label) => {
    const bytes = typeof label === 'string' ? Buffer.from(label, 'latin1') : label
    return Buffer.concat([Buffer.from([bytes.length]), bytes])
  })
  return Buffer.concat([...parts, Buffer.from([0])])
}

/** An OPT record byte by byte. */
export function rawOpt(
  parts: { readonly size?: number; readonly rcode?: number; readonly version?: number; readonly data?: Buffer } = {},
): Buffer {
  const data = parts.data ?? Buffer.alloc(0)
  const fixed = Buffer.from([0, 0, 41, 0, 0, parts.rcode ?? 0, parts.version ?? 0, 0, 0, 0, 0])
  fixed.writeUInt16BE(parts.size ?? 1232, 3)
  fixed.writeUInt16BE(data.length, 9)
  return Buffer.concat([fixed, data])
}
