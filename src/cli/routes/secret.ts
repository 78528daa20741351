import { buildRouteMap } from '@stricli/core'
import { cageArgument, secretNameArgument, textArgument } from '../arguments.ts'
import { cagesLike } from '../cage-names.ts'
import { command, type CliContext } from '../command.ts'

export interface SecretFlags {
  readonly json: boolean
}

export interface SecretListFlags extends SecretFlags {
  /** Path of a configuration; absent: that of the cage, if it is one that stays. */
  readonly config?: string | undefined
  readonly check: boolean
}

const json = { kind: 'boolean', withNegated: false, brief: 'Print JSON' } as const

const cage = {
  parse: cageArgument,
  proposeCompletions(this: CliContext, partial: string): readonly string[] {
    return cagesLike(partial, this.io.env)
  },
  placeholder: 'CAGE',
  brief: 'Name of the cage',
} as const

const key = { parse: secretNameArgument, placeholder: 'KEY', brief: 'Name of the secret' } as const

const setRoute = command<SecretFlags, [cage: string, key: string]>({
  docs: {
    brief: 'Store the value of a secret',
    fullDescription: [
      'Asks for the value without showing it, or takes all of standard input, without line breaks at the end.',
      'A value that is there is replaced; a cage that runs takes it from the next request on.',
    ].join('\n'),
    customUsage: ['CAGE KEY [--json]', 'CAGE KEY < FILE'],
  },
  parameters: { flags: { json }, positional: { kind: 'tuple', parameters: [cage, key] } },
  load: async () => (await import('../commands/secret-set.ts')).secretSet,
})

const listRoute = command<SecretListFlags, [cage: string]>({
  docs: {
    brief: 'Show which secrets a cage has and which it lacks, never their values',
    fullDescription: [
      'TYPE is injection for a secret of a rule, direct for one that the workload holds itself, orphan for one that nothing uses.',
      'STATUS is ok, MISSING, or unchecked where only the running cage or a command could tell; --check asks commands.',
      'Without a configuration only the names in the store are shown. Exits with 1 when one is missing.',
    ].join('\n'),
    customUsage: ['CAGE [-c FILE] [--check] [--json]'],
  },
  parameters: {
    flags: {
      config: {
        kind: 'parsed',
        parse: textArgument,
        optional: true,
        placeholder: 'FILE',
        brief: 'Configuration (default: that of a cage that stays)',
      },
      check: { kind: 'boolean', withNegated: false, brief: 'Ask commands, systemd-creds and Podman too' },
      json,
    },
    aliases: { c: 'config' },
    positional: { kind: 'tuple', parameters: [cage] },
  },
  load: async () => (await import('../commands/secret-list.ts')).secretList,
})

const rmRoute = command<SecretFlags, [cage: string, key: string]>({
  docs: {
    brief: 'Remove a secret from the store',
    fullDescription: 'A cage that runs keeps the value until it ends.',
    customUsage: ['CAGE KEY [--json]'],
  },
  parameters: { flags: { json }, positional: { kind: 'tuple', parameters: [cage, key] } },
  load: async () => (await import('../commands/secret-rm.ts')).secretRm,
})

const rotateRoute = command<SecretFlags, [cage: string]>({
  docs: {
    brief: 'Make new placeholders in place of those that were generated',
    fullDescription: [
      'The old ones stop working at once: what still sends one sends a text that means nothing.',
      'A workload that runs holds the old ones in its environment until it is started again.',
    ].join('\n'),
    customUsage: ['CAGE [--json]'],
  },
  parameters: { flags: { json }, positional: { kind: 'tuple', parameters: [cage] } },
  load: async () => (await import('../commands/secret-rotate-placeholders.ts')).secretRotatePlaceholders,
})

export const secretRoutes = buildRouteMap({
  docs: { brief: 'Manage the secrets of a cage' },
  routes: { set: setRoute, list: listRoute, rm: rmRoute, 'rotate-placeholders': rotateRoute },
})
