import { command } from '../command.ts'
import { onlyCageName } from './cage-name.ts'

export const startRoute = command<object, [name: string]>({
  docs: { brief: 'Start a cage and wait until it serves', customUsage: ['NAME'] },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-start.ts')).cageStart,
})

export const stopRoute = command<object, [name: string]>({
  docs: { brief: 'Stop a cage', customUsage: ['NAME'] },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-start.ts')).cageStop,
})

export const restartRoute = command<object, [name: string]>({
  docs: { brief: 'Stop a cage and start it again', customUsage: ['NAME'] },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-start.ts')).cageRestart,
})

export const reloadRoute = command<object, [name: string]>({
  docs: {
    brief: 'Make the egress of a cage read configuration and secrets again',
    fullDescription:
      'Returns once they are in force; the agent goes on meanwhile. Fails with the reason if they are refused.',
    customUsage: ['NAME'],
  },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-start.ts')).cageReload,
})

export const superviseRoute = command<object, [name: string]>({
  docs: { brief: 'What the unit of a cage with isolation: process runs' },
  parameters: { positional: onlyCageName },
  load: async () => (await import('../commands/cage-supervise.ts')).cageSupervise,
})
