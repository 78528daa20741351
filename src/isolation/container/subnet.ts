import { createHash } from 'node:crypto'
import { CageError } from '../../errors.ts'
import { parseAddressRange } from '../../policy/address.ts'

/** A cage's own network and who is where in it. Nobody has the gateway's address: nothing leads out. */
export interface CageNetwork {
  readonly subnet: string
  readonly gateway: string
  readonly dns: string
  readonly proxy: string
  readonly cage: string
}

/** 256 networks of 10.89.0.0/16, where Podman puts its own too. */
const NETWORKS = 256

/**
 * A subnet that overlaps none of `taken` (IPv4 ranges; others are passed over). Where the search starts depends on the
 * name, so that a cage that is made again mostly gets what it had. Throws `host_unsupported` when all are taken.
 */
export function chooseNetwork(name: string, taken: readonly string[]): CageNetwork {
  const start = createHash('sha256').update(name).digest().readUInt8(0)
  const ranges = taken.map(parseAddressRange).filter((range) => range?.family === 'ipv4')
  for (let step = 0; step < NETWORKS; step++) {
    const prefix = `10.89.${(start + step) % NETWORKS}`
    const isFree = ranges.every((range) => range !== undefined && !overlaps(prefix, range))
    if (isFree) return networkAt(prefix)
  }
  throw new CageError('host_unsupported', 'no network of 10.89.0.0/16 is free for another cage', {
    hint: 'Remove cages (agentcage cage list) or networks of Podman (podman network prune).',
  })
}

function networkAt(prefix: string): CageNetwork {
  return {
    subnet: `${prefix}.0/24`,
    gateway: `${prefix}.1`,
    dns: `${prefix}.10`,
    proxy: `${prefix}.11`,
    cage: `${prefix}.2`,
  }
}

/** Two ranges overlap when they agree in as many bits as the shorter prefix has. */
function overlaps(prefix: string, range: { readonly address: string; readonly prefix: number }): boolean {
  if (range.prefix === 0) return false // A default route is no network.
  const rest = 2 ** (32 - Math.min(range.prefix, 24))
  return Math.floor(numberOf(`${prefix}.0`) / rest) === Math.floor(numberOf(range.address) / rest)
}

/** An IPv4 address as the number that its bytes make. */
function numberOf(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0)
}

/**
 * `IP` and link address of a container, as Podman's `--network NAME:…` takes them. The link address goes by the other: a
 * container that is started again would have another one, and nobody would find it until their neighbour tables time out.
 */
export function fixedAddress(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  return `ip=${address},mac=${['02', '00', ...bytes].join(':')}`
}

/** The destinations of `/proc/net/route`, as ranges. */
export function routedRanges(table: string): readonly string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/)
      const [destination, mask] = [fields[1], fields[7]]
      if (destination === undefined || mask === undefined) return []
      const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length
      return [`${dotted(destination)}/${bits}`]
    })
}

/** Addresses stand there in the byte order of the machine, little-endian wherever Node runs. */
function dotted(hex: string): string {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.')
}
