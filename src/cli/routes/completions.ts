import { buildChoiceParser } from '@stricli/core'
import { command } from '../command.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

export const completionsRoute = command<object, [shell: Shell]>({
  docs: {
    brief: 'Print a script that completes command lines in a shell',
    fullDescription: [
      'bash: source <(agentcage completions bash)',
      'zsh:  source <(agentcage completions zsh)',
      'fish: agentcage completions fish | source',
    ].join('\n'),
  },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: buildChoiceParser(SHELLS),
          proposeCompletions: () => SHELLS,
          placeholder: 'SHELL',
          brief: SHELLS.join(', '),
        },
      ],
    },
  },
  load: async () => (await import('../commands/completions.ts')).completions,
})
