import { isIP } from 'node:net'

/** A port of the host that leads to one of the workload's, through the proxy. */
export interface PublishedPort {
  /** Address of the host; IPv6 in brackets. */
  readonly bind: string
  readonly outside: number
  readonly inside: number
}

/** `[BIND:]HOST:CONTAINER`; without an address nobody but this host reaches it. Undefined for anything else. */
export function parsePort(text: string): PublishedPort | undefined {
  const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]):)?(\d{1,5}):(\d{1,5})$/.exec(text)
  const [outside, inside] = [Number(match?.[2]), Number(match?.[3])]
  const address = match?.[1] ?? '127.0.0.1'
  if (!isPort(outside) || !isPort(inside) || isIP(address.replace(/^\[|\]$/g, '')) === 0) return undefined
  return { bind: address, outside, inside }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}
