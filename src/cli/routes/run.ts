import { buildChoiceParser } from '@stricli/core'
import type { Hostname } from '../../policy/host.ts'
import { hostArgument, secretArgument, textArgument, type SecretArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { SCAFFOLD_NAMES } from '../scaffold-names.ts'

export interface RunFlags {
  /** Path of a configuration. */
  readonly config?: string | undefined
  readonly allow?: readonly Hostname[] | undefined
  readonly secret?: readonly SecretArgument[] | undefined
  /** Path of the project folder; absent: the working directory. */
  readonly project?: string | undefined
  /** Name of a scaffold; the words before COMMAND name it too. */
  readonly scaffold?: string | undefined
  /** COMMAND is what the scaffold's own command gets as arguments. */
  readonly withArguments: boolean
  readonly list: boolean
  readonly quiet: boolean
}

export const runRoute = command<RunFlags, readonly string[]>({
  docs: {
    brief: 'Run a command in a cage',
    fullDescription: [
      'Runs COMMAND where it cannot reach the network except through the egress, which decides, inspects,',
      'injects secrets and records. Everything after -- (or after the first word that is not a flag) belongs to COMMAND.',
      'Exits with the exit code of COMMAND, 128+N when signal N ended it.',
      'SCAFFOLD is an agent whose configuration comes along; -- COMMAND then takes the place of its command.',
    ].join('\n'),
    customUsage: [
      '[-c FILE] [--allow HOST]... [-s KEY[=VALUE]]... [--project DIR] [-q] -- COMMAND...',
      'SCAFFOLD [ARGUMENT]...',
      'SCAFFOLD -- COMMAND...',
      '--list',
    ],
  },
  parameters: {
    flags: {
      config: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'FILE',
        brief: 'Configuration of the cage',
      },
      allow: {
        kind: 'parsed',
        parse: hostArgument,
        variadic: true,
        optional: true,
        placeholder: 'HOST',
        brief: 'Let the workload reach HOST and its subdomains; may be repeated',
      },
      secret: {
        kind: 'parsed',
        parse: secretArgument,
        variadic: true,
        optional: true,
        placeholder: 'KEY[=VALUE]',
        brief: 'Value of a secret: KEY takes it from the store or the environment; may be repeated',
      },
      project: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'DIR',
        brief: 'Project folder, writable inside (default: this one)',
      },
      scaffold: {
        kind: 'parsed',
        parse: buildChoiceParser(SCAFFOLD_NAMES),
        proposeCompletions: () => SCAFFOLD_NAMES,
        optional: true,
        placeholder: 'SCAFFOLD',
        brief: `The configuration of an agent: ${SCAFFOLD_NAMES.join(', ')}`,
      },
      withArguments: {
        kind: 'boolean',
        withNegated: false,
        default: false,
        hidden: true,
        brief: 'COMMAND is arguments',
      },
      list: { kind: 'boolean', withNegated: false, brief: 'List the scaffolds' },
      quiet: { kind: 'boolean', withNegated: false, brief: 'Print nothing but errors' },
    },
    aliases: { c: 'config', s: 'secret', q: 'quiet' },
    positional: {
      kind: 'array',
      parameter: { parse: String, placeholder: 'COMMAND', brief: 'Program and its arguments' },
    },
  },
  load: async () => (await import('../commands/run.ts')).run,
})
