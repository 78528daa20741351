import * as z from 'zod'

/** The section for inspectors of one's own. */
export const inspectorsSection = z
  .array(
    z.strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a name such as ticket-numbers')
        .meta({ description: 'Name in records and reasons.' }),
      path: z.string().min(1).optional().meta({
        description:
          'TypeScript or JavaScript file, relative to the configuration, absolute or with a leading `~`. With links resolved it must lie in the folder of the configuration, in `~/.config/agentcage/inspectors` or in a folder of `AGENTCAGE_INSPECTOR_DIRS` (`:` between them), and not where the workload can write.',
      }),
      config: z
        .record(z.string(), z.unknown())
        .default({})
        .meta({ description: 'What its `configure` is called with.' }),
      timeout_ms: z.int().min(10).max(60_000).default(1000).meta({
        description: 'How long it may think about one thing. What takes longer is blocked, and its thread ends.',
      }),
    }),
  )
  .max(16)
  .default([])
  .meta({ description: 'Inspectors of your own, asked in this order after those that are built in.' })
