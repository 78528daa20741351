import * as z from 'zod'
import { CageError } from '../errors.ts'

const time = z.iso.datetime()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const absolute = z.string().startsWith('/')

/** `deployment.json`: what was decided when a cage was created and must stay so until it is updated. */
const recordSchema = z.strictObject({
  version: z.literal(1),
  isolation: z.enum(['process', 'container', 'microvm']),
  created: time,
  updated: time,
  /** The agentcage that wrote this. */
  agentcage: z.string(),
  /** The configuration's path when it was given; absolute. */
  source: absolute,
  /** Set while the cage is being made: a create that was cut off may be repeated. */
  incomplete: z.literal(true).optional(),
  /** Where `cage create` was called: relative paths in the configuration count from there. */
  working_directory: absolute,
  /** The project folder of `isolation: process`. */
  project: absolute,
  /** Of the environment of `cage create`: what the configuration names, and how programs and languages are found. */
  environment: z.record(z.string(), z.string()),
  /** `isolation: container`: the cage's own network. No two cages share one. */
  network: z
    .strictObject({ subnet: z.string(), gateway: z.string(), dns: z.string(), proxy: z.string(), cage: z.string() })
    .optional(),
  /** Hash of the content of the egress image. */
  egress_image: sha256.optional(),
  /** The pinned image that it is built on, where this host's Node cannot run in a container. */
  egress_base: z.string().optional(),
  /** Custom inspectors by name: where each was found, links resolved, and the SHA-256 of what was in it. */
  inspectors: z.record(z.string(), z.strictObject({ path: absolute, sha256 })).default({}),
})

export type DeploymentRecord = z.output<typeof recordSchema>

/** Reads a record. Throws `state_unusable` when it is not one: what was decided is never guessed. */
export function parseRecord(text: string, path: string): DeploymentRecord {
  try {
    return recordSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CageError('state_unusable', `${path} is not the record of a cage that this agentcage can read`, {
      hint: 'If an older agentcage runs here, use a newer one. Else put it back from a backup, or destroy the cage and create it again.',
      cause,
    })
  }
}

/** What isolates the cage of a record that is otherwise none: enough to know what is to be removed. */
export function isolationWrittenIn(text: string): DeploymentRecord['isolation'] | undefined {
  const written = /^\s*"isolation":\s*"(\w+)",?$/m.exec(text)?.[1]
  const { data } = recordSchema.shape.isolation.safeParse(written)
  return data
}

export function formatRecord(record: DeploymentRecord): string {
  return `${JSON.stringify(recordSchema.parse(record), null, 2)}\n`
}
