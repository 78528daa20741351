import { buildRouteMap } from '@stricli/core'
import { textArgument } from '../arguments.ts'
import { command } from '../command.ts'

export interface ConfigCheckFlags {
  readonly json: boolean
}

const checkRoute = command<ConfigCheckFlags, [file: string]>({
  docs: {
    brief: 'Check a configuration and say what is wrong, with line and column',
    fullDescription: 'Exits with 0 when FILE is right, with 2 when it is not. Nothing is started.',
    customUsage: ['FILE [--json]'],
  },
  parameters: {
    flags: { json: { kind: 'boolean', withNegated: false, brief: 'Print JSON' } },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: textArgument, placeholder: 'FILE', brief: 'The configuration' }],
    },
  },
  load: async () => (await import('../commands/config-check.ts')).configCheck,
})

const schemaRoute = command({
  docs: { brief: 'Print the JSON Schema of the configuration' },
  parameters: {},
  load: async () => (await import('../commands/config-schema.ts')).configSchema,
})

export const configRoutes = buildRouteMap({
  docs: { brief: 'Check configurations' },
  routes: { check: checkRoute, schema: schemaRoute },
})
