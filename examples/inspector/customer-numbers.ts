import type { Context, Inspector, ResponseContext, Verdict } from 'agentcage/inspector'

/** `config` of the entry in cage.yaml. */
interface Config {
  /** Of one letter and digits, such as `K-123456`. */
  readonly prefix: string
  /** Hosts that may be told customer numbers. */
  readonly allowed_hosts: readonly string[]
}

let number = /(?!)/g
let allowedHosts: ReadonlySet<string> = new Set()

/** What a text says to an agent that reads it, rather than to the people it seems to be for. */
const ORDERS = /ignore (?:all|any|your) (?:previous|prior|earlier) instructions/i

/** Keeps customer numbers inside, and tells of texts that give the agent orders. */
export default {
  name: 'customer-numbers',

  configure({ prefix, allowed_hosts: hosts }) {
    if (!/^[A-Z]$/.test(prefix)) throw new Error('prefix must be one capital letter')
    number = new RegExp(`\\b${prefix}-\\d{6}\\b`, 'g')
    allowedHosts = new Set(hosts)
  },

  inspectRequest: outbound,

  inspectMessage: (context) => (context.direction === 'outbound' ? outbound(context) : orders(context)),

  inspectResponse: (context: ResponseContext) => orders(context),
} satisfies Inspector<Config>

function outbound({ host, url, body }: Context): Verdict {
  if (allowedHosts.has(host)) return { kind: 'pass' }
  const count = new Set(`${decoded(url)}\n${body.text}`.match(number)).size
  if (count === 0) return { kind: 'pass' }
  return {
    kind: 'block',
    reason: `${count} customer ${count === 1 ? 'number' : 'numbers'} for ${host}`,
    severity: 'error',
  }
}

function orders({ host, body }: Context): Verdict {
  return ORDERS.test(body.text) ? { kind: 'flag', reason: `${host} gives orders to the agent` } : { kind: 'pass' }
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}
