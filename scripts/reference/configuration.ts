import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts'
import { pageHead, table } from './markdown.ts'

export function configurationPage(): string {
  const schema = configJsonSchema()
  return [
    pageHead('Configuration', 'src/config/schema.ts'),
    'One YAML 1.2 document. An unknown key, a value of another type, a duplicate key or a second document is an error',
    'with file, line and column, and nothing starts. `agentcage config check FILE` checks a file;',
    '[cage.schema.json](cage.schema.json) (`agentcage config schema`) makes editors complete and check it.',
    '',
    '`[]` in a key stands for every entry of the list.',
    '',
    table(['key', 'type', 'default', ''], [...rowsOf(schema, '')]),
    '## Transforms',
    '',
    'What `transform` of an entry of `secret_injection` may be, with its `transform_config`.',
    '[Secrets that are never sent](../how-to/transforms.md) has an example of each.',
    '',
    ...transformsOf(schema).flatMap(([name, config]) => [
      `### ${name}`,
      '',
      table(['key', 'type', 'default', ''], [...rowsOf(config, '')]),
    ]),
  ].join('\n')
}

function* rowsOf(schema: JsonSchema, prefix: string): Generator<readonly string[]> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const key = prefix === '' ? name : `${prefix}.${name}`
    const required = schema.required?.includes(name) === true
    yield [`\`${key}\``, typeOf(property), defaultOf(property, required), property.description ?? '']
    for (const kind of alternatives(property)) yield* rowsOf(kind, key)
    for (const entry of entriesOf(property)) yield* rowsOf(entry, `${key}[]`)
  }
}

/** Of entries that come in kinds, one whose keys are those of all, with every kind that there is. */
function entriesOf({ items }: JsonSchema): readonly JsonSchema[] {
  const kinds = alternatives(items)
  const [first] = kinds
  if (first?.properties?.['transform'] === undefined) return kinds
  const transform = { ...first.properties['transform'], type: 'string', enum: transformKinds(kinds) }
  const config = { ...first.properties['transform_config'], type: 'object' }
  return [{ ...first, properties: { ...first.properties, transform, transform_config: config } }]
}

function transformsOf(schema: JsonSchema): readonly (readonly [string, JsonSchema])[] {
  return alternatives(schema.properties?.['secret_injection']?.items).flatMap(({ properties }) => {
    const name = properties?.['transform']?.const
    const config = properties?.['transform_config']
    return typeof name !== 'string' || config === undefined ? [] : [[name, config] as const]
  })
}

function transformKinds(kinds: readonly JsonSchema[]): readonly unknown[] {
  return kinds.flatMap(({ properties }) => properties?.['transform']?.const ?? [])
}

function alternatives(schema: JsonSchema | undefined): readonly JsonSchema[] {
  return schema === undefined ? [] : (schema.anyOf ?? [schema])
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return 'required'
  // An object's default is that of its keys, which have their own rows.
  if (
    schema.default === undefined ||
    alternatives(schema).some(({ properties }) => properties !== undefined && schema.default !== false)
  )
    return ''
  return `\`${JSON.stringify(schema.default)}\``
}

/** The type in words; `many` makes it the type of a list's entries. */
function typeOf(schema: JsonSchema, many = false): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map((one) => typeOf(one, many)))].join(' or ')
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {}, true)}`
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object') {
    return `mapping to ${typeOf(schema.additionalProperties)}`
  }
  const types = schema.type === undefined ? ['anything'] : [schema.type].flat()
  return `${types.map((type) => TYPES[type]?.[many ? 1 : 0] ?? type).join(' or ')}${limits(schema)}`
}

/** One and many. */
const TYPES: Readonly<Record<string, readonly [string, string]>> = {
  integer: ['whole number', 'whole numbers'],
  number: ['number', 'numbers'],
  string: ['text', 'text'],
  boolean: ['true or false', 'true or false'],
  object: ['mapping', 'mappings'],
}

function limits({ type, minimum, maximum }: JsonSchema): string {
  if (type !== 'integer' && type !== 'number') return ''
  const top = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  if (minimum !== undefined && top !== undefined) return `, ${minimum} to ${top}`
  if (minimum !== undefined) return `, at least ${minimum}`
  return top === undefined ? '' : `, at most ${top}`
}
