import { buildChoiceParser } from '@stricli/core'
import { SCAFFOLD_NAMES } from '../scaffold-names.ts'
import { cageArgument, textArgument } from '../arguments.ts'
import { command } from '../command.ts'

export interface InitFlags {
  readonly output: string
  readonly scaffold?: string | undefined
  readonly image?: string | undefined
  readonly force: boolean
}

export const initRoute = command<InitFlags, [name?: string]>({
  docs: {
    brief: 'Write a commented configuration to begin with',
    customUsage: ['[NAME] [-o FILE] [--scaffold SCAFFOLD | --image IMAGE] [--force]'],
  },
  parameters: {
    flags: {
      output: { kind: 'parsed', parse: textArgument, default: 'cage.yaml', placeholder: 'FILE', brief: 'Where to' },
      scaffold: {
        kind: 'parsed',
        parse: buildChoiceParser(SCAFFOLD_NAMES),
        proposeCompletions: () => SCAFFOLD_NAMES,
        optional: true,
        placeholder: 'SCAFFOLD',
        brief: `For an agent that is known: ${SCAFFOLD_NAMES.join(', ')}`,
      },
      image: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'IMAGE',
        brief: 'For a container from this image',
      },
      force: { kind: 'boolean', withNegated: false, brief: 'Replace a file that is there' },
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [
        { parse: cageArgument, optional: true, placeholder: 'NAME', brief: "Name of the cage (default: the folder's)" },
      ],
    },
  },
  load: async () => (await import('../commands/init.ts')).init,
})
