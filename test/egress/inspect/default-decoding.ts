import { configSchema } from '../../../src/config/schema.ts'
import { decodingOf } from '../../../src/egress/inspect/decode/limits.ts'

/** Of a configuration that says nothing about it. */
export const DEFAULT_DECODING = decodingOf(configSchema.parse({}))
