import { secretArgument, textArgument, type SecretArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { onlyCageName } from './cage-name.ts'

export interface CageCreateFlags {
  readonly config: string
  readonly start: boolean
  readonly secret?: readonly SecretArgument[] | undefined
  readonly project?: string | undefined
  readonly dryRun: boolean
}

const projectFlag = {
  kind: 'parsed',
  parse: textArgument,
  optional: true,
  placeholder: 'DIR',
  brief: 'Project folder of isolation: process, writable inside (default: this one)',
} as const

export const createRoute = command<CageCreateFlags>({
  docs: {
    brief: 'Make a cage that stays and start it under systemd',
    fullDescription: [
      'Checks everything, keeps a copy of the configuration, makes systemd units of it, starts them and waits until the',
      'cage serves. All or nothing: when a step fails, what was made is removed again.',
    ].join('\n'),
    customUsage: ['-c FILE [--no-start] [-s KEY[=VALUE]]... [--project DIR] [--dry-run]'],
  },
  parameters: {
    flags: {
      config: { kind: 'parsed', parse: textArgument, placeholder: 'FILE', brief: 'Configuration of the cage' },
      start: { kind: 'boolean', default: true, brief: 'Start it; --no-start only makes it' },
      secret: {
        kind: 'parsed',
        parse: secretArgument,
        variadic: true,
        optional: true,
        placeholder: 'KEY[=VALUE]',
        brief: "Keep a secret in the cage's store: KEY takes it from the environment; may be repeated",
      },
      project: projectFlag,
      dryRun: { kind: 'boolean', withNegated: false, brief: 'Print the units and change nothing' },
    },
    aliases: { c: 'config', s: 'secret' },
  },
  load: async () => (await import('../commands/cage-create.ts')).cageCreate,
})

export interface CageUpdateFlags {
  readonly config?: string | undefined
}

export const updateRoute = command<CageUpdateFlags, [name: string]>({
  docs: {
    brief: 'Make the services of a cage anew, with another configuration or the saved one',
    fullDescription: 'Starts them again if they ran. When that fails, the cage is put back as it was.',
    customUsage: ['NAME [-c FILE]'],
  },
  parameters: {
    flags: {
      config: { kind: 'parsed', parse: textArgument, optional: true, placeholder: 'FILE', brief: 'New configuration' },
    },
    aliases: { c: 'config' },
    positional: onlyCageName,
  },
  load: async () => (await import('../commands/cage-update.ts')).cageUpdate,
})

export interface CageDestroyFlags {
  readonly yes: boolean
  readonly keepSecrets: boolean
}

export const destroyRoute = command<CageDestroyFlags, [name: string]>({
  docs: {
    brief: 'End a cage and remove its services, state and secrets',
    fullDescription: 'What the agent worked on stays: the project, mounted folders, named volumes.',
    customUsage: ['NAME [-y] [--keep-secrets]'],
  },
  parameters: {
    flags: {
      yes: { kind: 'boolean', withNegated: false, brief: 'Do not ask' },
      keepSecrets: { kind: 'boolean', withNegated: false, brief: 'Keep the secrets for a cage of the same name' },
    },
    aliases: { y: 'yes' },
    positional: onlyCageName,
  },
  load: async () => (await import('../commands/cage-destroy.ts')).cageDestroy,
})

export const editRoute = command<object, [name: string]>({
  docs: {
    brief: "Change a cage's configuration in an editor",
    fullDescription: [
      'Opens a copy in $VISUAL or $EDITOR. What it says is checked before anything is changed, and put in force at once;',
      'what needs a restart is named. A text that is wrong is kept as cage.yaml.rejected, the one before as cage.yaml.bak.',
    ].join('\n'),
    customUsage: ['NAME'],
  },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-edit.ts')).cageEdit,
})
