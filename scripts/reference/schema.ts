import { configJsonSchema } from '../../src/config/json-schema.ts'

export function schemaFile(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`
}
