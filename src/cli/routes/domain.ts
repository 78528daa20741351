import { buildRouteMap } from '@stricli/core'
import { durationArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { cageName, jsonFlag, onlyCageName } from './cage-name.ts'

export interface DomainListFlags {
  readonly json: boolean
}

const listRoute = command<DomainListFlags, [name: string]>({
  docs: { brief: 'List the hosts of a cage', customUsage: ['NAME [--json]'] },
  parameters: { flags: { json: jsonFlag }, positional: onlyCageName },
  load: async () => (await import('../commands/domain.ts')).domainList,
})

export interface DomainAddFlags {
  /** Milliseconds. */
  readonly expiresIn?: number | undefined
}

const nameAndHosts = {
  kind: 'array',
  minimum: 2,
  parameter: {
    ...cageName,
    parse: String,
    placeholder: 'NAME HOST',
    brief: 'The cage, then hosts; subdomains match too',
  },
} as const

const addRoute = command<DomainAddFlags, readonly string[]>({
  docs: {
    brief: 'Put hosts on the list of a cage; a running egress goes by it at once',
    customUsage: ['NAME HOST... [--expires-in 30m]'],
  },
  parameters: {
    flags: {
      expiresIn: {
        kind: 'parsed',
        parse: durationArgument,
        optional: true,
        placeholder: 'TIME',
        brief: 'For so long only: 30m, 12h, 7d',
      },
    },
    positional: nameAndHosts,
  },
  load: async () => (await import('../commands/domain.ts')).domainAdd,
})

const rmRoute = command<object, readonly string[]>({
  docs: {
    brief: 'Take hosts off the list of a cage; open connections to them end',
    customUsage: ['NAME HOST...'],
  },
  parameters: { positional: nameAndHosts },
  load: async () => (await import('../commands/domain.ts')).domainRm,
})

export const domainRoutes = buildRouteMap({
  docs: { brief: 'Change where a cage may go' },
  routes: { list: listRoute, add: addRoute, rm: rmRoute },
  aliases: { ls: 'list', remove: 'rm' },
})
