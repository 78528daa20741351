import { buildChoiceParser } from '@stricli/core'
import type { Part } from '../../cage/backend.ts'
import { countArgument, textArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { jsonFlag, onlyCageName } from './cage-name.ts'

export interface CageJsonFlags {
  readonly json: boolean
}

export const listRoute = command<CageJsonFlags>({
  docs: { brief: 'List cages and how they stand', customUsage: ['[--json]'] },
  parameters: { flags: { json: jsonFlag } },
  load: async () => (await import('../commands/cage-list.ts')).cageList,
})

export const showRoute = command<CageJsonFlags, [name: string]>({
  docs: { brief: 'Show what is kept of a cage and how it stands', customUsage: ['NAME [--json]'] },
  parameters: { flags: { json: jsonFlag }, positional: onlyCageName },
  load: async () => (await import('../commands/cage-show.ts')).cageShow,
})

export const verifyRoute = command<CageJsonFlags, [name: string]>({
  docs: {
    brief: 'Prove that a cage holds, by trying to break out of it',
    fullDescription: [
      'Runs probes inside: an allowed and a denied host, addresses dialled directly over IPv4 and IPv6, another port, UDP, a',
      "foreign resolver, the gateway, the authority's key, the root file system, capabilities, the user. Needs node or",
      'python3 in the cage. Exits with 1 when a probe fails or cannot be run.',
    ].join('\n'),
    customUsage: ['NAME [--json]'],
  },
  parameters: { flags: { json: jsonFlag }, positional: onlyCageName },
  load: async () => (await import('../commands/cage-verify.ts')).cageVerify,
})

const PARTS = ['cage', 'proxy', 'dns'] as const

export interface CageLogsFlags {
  readonly service?: readonly Part[] | undefined
  readonly follow: boolean
  readonly lines: number
  readonly since?: string | undefined
}

export const logsRoute = command<CageLogsFlags, [name: string]>({
  docs: {
    brief: 'Print what a cage and its egress wrote',
    fullDescription: 'For what the egress decided, see agentcage cage audit.',
    customUsage: ['NAME [-s cage|proxy|dns]... [-f] [-n N] [--since WHEN]'],
  },
  parameters: {
    flags: {
      service: {
        kind: 'parsed',
        parse: buildChoiceParser(PARTS),
        proposeCompletions: () => PARTS,
        variadic: true,
        optional: true,
        placeholder: 'PART',
        brief: 'Of this part only: cage, proxy or dns; may be repeated',
      },
      follow: { kind: 'boolean', withNegated: false, brief: 'Go on with what is written' },
      lines: { kind: 'parsed', parse: countArgument, default: '50', placeholder: 'N', brief: 'The last N lines' },
      since: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'WHEN',
        brief: "Not older than this, as journalctl takes it: '1h ago', 2026-01-31",
      },
    },
    aliases: { s: 'service', f: 'follow', n: 'lines' },
    positional: onlyCageName,
  },
  load: async () => (await import('../commands/cage-logs.ts')).cageLogs,
})
