import { BlockList, isIP, isIPv4 } from 'node:net'

/** An address with its prefix length: `10.0.0.0/8`, or a single address with /32 or /128. */
export interface AddressRange {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. Undefined for anything else. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text)
  const address = match?.[1]
  if (address === undefined || isIP(address) === 0) return undefined
  const bits = isIPv4(address) ? 32 : 128
  const prefix = match?.[2] === undefined ? bits : Number(match[2])
  return prefix > bits ? undefined : { address, prefix, family: bits === 32 ? 'ipv4' : 'ipv6' }
}

/**
 * Special-purpose ranges that the egress never dials on behalf of a workload unless the configuration names them
 * (IANA special-purpose address registries; RFC 6890). They are where an attacker who controls a name would point it:
 * the host itself, the local network, cloud metadata services.
 */
const SPECIAL: readonly string[] = [
  '0.0.0.0/8', // "this network"
  '10.0.0.0/8', // RFC 1918
  '100.64.0.0/10', // RFC 6598, carrier-grade NAT; also Alibaba's metadata service
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; cloud metadata services
  '172.16.0.0/12', // RFC 1918
  '192.0.0.0/24', // RFC 6890
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112-v4
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relay anycast
  '192.168.0.0/16', // RFC 1918
  '192.175.48.0/24', // direct delegation AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation; our answer for names off the list
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and the limited broadcast address
  '168.63.129.16/32', // Azure's platform service
  '::/96', // unspecified, loopback, IPv4-compatible (deprecated)
  '::ffff:0:0/96', // IPv4-mapped: the kernel would dial the IPv4 address
  '::ffff:0:0:0/96', // IPv4-translated, RFC 2765
  '64:ff9b::/96', // NAT64
  '64:ff9b:1::/48', // local-use NAT64
  '100::/64', // discard only
  '2001::/23', // IETF protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
  '5f00::/16', // segment routing
  'fc00::/7', // unique local; fd00:ec2::254 is AWS's metadata service
  'fe80::/10', // link-local
  'fec0::/10', // site-local (deprecated)
  'ff00::/8', // multicast
]

/** Decides which addresses may be dialled. Built once from the configuration, then asked for each connection. */
export class AddressGuard {
  /** Made for the first address that is asked about: a start need not wait for it. */
  #special: RangeSet | undefined
  readonly #allowed: RangeSet

  /** Takes ranges as `parseAddressRange` reads them; throws a TypeError for others. */
  constructor(allowAddresses: readonly string[]) {
    this.#allowed = new RangeSet(allowAddresses)
  }

  permits(address: string): boolean {
    if (isIP(address) === 0) return false
    this.#special ??= new RangeSet(SPECIAL)
    return !this.#special.has(address) || this.#allowed.has(address)
  }
}

/**
 * Ranges of both families, kept apart: in one `BlockList` the range ::ffff:0:0/96 would match every IPv4 address,
 * and an IPv4 range would match its IPv4-mapped form.
 */
class RangeSet {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() }

  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = parseAddressRange(text)
      if (range === undefined) throw new TypeError(`not an address range: ${text}`)
      this.#lists[range.family].addSubnet(range.address, range.prefix, range.family)
    }
  }

  has(address: string): boolean {
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    return this.#lists[family].check(address, family)
  }
}
