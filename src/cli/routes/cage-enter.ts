import { buildChoiceParser } from '@stricli/core'
import { command } from '../command.ts'
import { cageName, onlyCageName } from './cage-name.ts'

const PLACES = ['cage', 'egress'] as const

export interface CageExecFlags {
  readonly service: 'cage' | 'egress'
}

export const execRoute = command<CageExecFlags, readonly string[]>({
  docs: {
    brief: 'Run a command in a cage that runs',
    fullDescription: [
      'COMMAND is confined as the workload is, and has the placeholders of now in its environment. Everything after NAME',
      'belongs to it. Exits with its exit code, 128+N when signal N ended it.',
    ].join('\n'),
    customUsage: ['NAME [-s cage|egress] -- COMMAND...'],
  },
  parameters: {
    flags: {
      service: {
        kind: 'parsed',
        parse: buildChoiceParser(PLACES),
        proposeCompletions: () => PLACES,
        default: 'cage',
        placeholder: 'PART',
        brief: 'Where: in the cage, or on the side of the egress',
      },
    },
    aliases: { s: 'service' },
    positional: {
      kind: 'array',
      minimum: 2,
      parameter: {
        ...cageName,
        parse: String,
        placeholder: 'NAME COMMAND',
        brief: 'The cage, a program, its arguments',
      },
    },
  },
  load: async () => (await import('../commands/cage-exec.ts')).cageExec,
})

export const shellRoute = command<object, [name: string]>({
  docs: { brief: 'Open a shell in a cage that runs', customUsage: ['NAME'] },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-exec.ts')).cageShell,
})
