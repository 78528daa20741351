import { lookup, Resolver } from 'node:dns/promises'
import { Denial } from '../denial.ts'
import { isAddress, type Hostname } from '../../policy/host.ts'

/** Name to addresses, in the order to try them. Rejects when there are none. */
export type ResolveHost = (host: Hostname) => Promise<readonly string[]>

const TIMEOUT_MS = 10_000

/** Asks the host's own resolver, or the servers that the configuration names. An address is its own answer. */
export function createResolver(servers: readonly string[]): ResolveHost {
  const ask = servers.length === 0 ? askHost : askServers(servers)
  return async (host) => {
    if (isAddress(host)) return [host]
    try {
      const addresses = await withinTime(ask(host))
      if (addresses.length > 0) return addresses
    } catch (error) {
      throw new Denial('upstream_unresolved', `could not resolve ${host}`, { cause: error })
    }
    throw new Denial('upstream_unresolved', `could not resolve ${host}`)
  }
}

async function askHost(host: Hostname): Promise<readonly string[]> {
  const answers = await lookup(host, { all: true })
  return answers.map(({ address }) => address)
}

function askServers(servers: readonly string[]): ResolveHost {
  const resolver = new Resolver({ timeout: 3000, tries: 2 })
  resolver.setServers(servers)
  return async (host) => {
    const families = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    return families.flatMap((family) => (family.status === 'fulfilled' ? family.value : []))
  }
}

async function withinTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
