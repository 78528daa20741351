import { configSchema } from '../../src/config/schema.ts'

/** The defaults as text, for those who start without a configuration and need no schema for it. */
export function defaultConfigModule(): string {
  const text = JSON.stringify(configSchema.parse({}))
  if (/['\\]/.test(text)) throw new Error('the defaults cannot be written between single quotes')
  return `/* Made from config/schema.ts by scripts/generate.ts. */
import type { Config } from './schema.ts'

const TEXT =
  '${text}'

/** What the schema makes of an empty file. Reading the schema itself would take a tenth of a start. */
export function defaultConfig(): Config {
  return JSON.parse(TEXT) as Config
}
`
}
