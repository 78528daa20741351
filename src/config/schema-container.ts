import * as z from 'zod'
import { containerOnly } from './schema-podman.ts'

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
/** Bytes, or a number with a unit as Podman and Docker write it: `512m`, `4g`, `4GiB`. */
const MEMORY = /^\d{1,15}(?:\.\d{1,6})?\s?[bkmgt]?(?:i?b)?$/i

const seconds = z.int().min(0).max(86_400)

/** The `container` section: what runs in the cage, what it sees, and how systemd keeps it running. */
export const containerSection = z
  .strictObject({
    ...containerOnly,
    command: z.array(z.string()).min(1, 'must have at least the program').optional().meta({
      description:
        'Program and arguments, never a shell line. Absent: what the image names; with `isolation: process`, nothing runs until `exec`.',
    }),
    restart: z
      .enum(['no', 'on-failure', 'always'])
      .default('on-failure')
      .meta({ description: 'When systemd starts a cage again that ended.' }),
    restart_sec: seconds.default(10).meta({ description: 'Seconds before it does.' }),
    timeout_start_sec: seconds
      .nullable()
      .default(120)
      .meta({ description: 'Seconds until a start has failed; 0 or null for no end.' }),
    timeout_stop_sec: seconds.default(30).meta({ description: 'Seconds until a cage that does not stop is killed.' }),
    volumes: z
      .array(z.string().min(1))
      .default([])
      .meta({ description: 'Mounts, `HOST:INSIDE[:ro|rw]`. `$VAR` and a leading `~` are expanded.' }),
    env: z
      .record(
        z.string().regex(ENV_NAME, 'must be a name such as LOG_LEVEL'),
        z.union([z.string(), z.number(), z.boolean()]).transform(String),
      )
      .default({})
      .meta({ description: 'Environment of the workload. `$VAR` and `${VAR}` are expanded from the host.' }),
    memory: z
      .union([z.string().regex(MEMORY, 'must be a size such as 512m or 4g'), z.int().min(1)])
      .transform(String)
      .optional()
      .meta({ description: 'Memory limit, such as `4g`.' }),
    pids: z.int().min(16).default(4096).meta({ description: 'Most processes and threads at once.' }),
    allow_credential_mounts: z
      .array(z.string().min(1))
      .default([])
      .meta({ description: 'Credentials folders that `volumes` may name all the same, as written there.' }),
  })
  .prefault({})
  .meta({ description: 'The workload and what it sees.' })
