/** The JSON Schema says what the loader does: same keys, same types, everything documented, nothing else allowed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts'

test('it is draft 2020-12 with a title', () => {
  const schema = configJsonSchema()
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema')
  assert.equal(schema.title, 'agentcage configuration')
})

test('no section takes unknown keys', () => {
  for (const [path, schema] of sections(configJsonSchema(), '')) {
    assert.equal(schema.additionalProperties, false, path)
  }
})

test('every key is documented', () => {
  for (const [path, schema] of sections(configJsonSchema(), '')) {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      assert.ok((property.description ?? '').length > 3, `${path}.${key}`)
    }
  }
})

test('what a person writes is described, not what becomes of it', () => {
  const { domains, container } = configJsonSchema().properties ?? {}
  const entry = domains?.properties?.['list']?.items
  assert.deepEqual(
    entry?.anyOf?.map(({ type }) => type),
    ['string', 'object'],
  )
  assert.equal(entry.anyOf[1]?.properties?.['expires']?.format, 'date-time')
  assert.deepEqual(
    container?.properties?.['memory']?.anyOf?.map(({ type }) => type),
    ['string', 'integer'],
  )
})

test('keys with defaults are not required', () => {
  assert.equal(configJsonSchema().required, undefined)
})

/** Every object with named keys, with its path. */
function* sections(schema: JsonSchema, path: string): Generator<readonly [string, JsonSchema]> {
  if (schema.properties !== undefined) yield [path, schema]
  for (const [key, property] of Object.entries(schema.properties ?? {})) yield* sections(property, `${path}.${key}`)
  for (const other of [schema.items, ...(schema.anyOf ?? [])])
    if (other !== undefined) yield* sections(other, `${path}[]`)
}
