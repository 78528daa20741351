import { configJsonSchema } from '../../config/json-schema.ts'
import type { Io } from '../io.ts'

/** `agentcage config schema`: JSON Schema, draft 2020-12. */
export async function configSchema(_flags: object, _args: readonly [], io: Io): Promise<number> {
  io.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`)
  return 0
}
