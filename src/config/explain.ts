import type { z } from 'zod'
import { configJsonSchema, type JsonSchema } from './json-schema.ts'
import { formatPath, quote, type KeyPath, type Problem } from './problem.ts'
import type { configSchema } from './schema.ts'
import { didYouMean } from './suggest.ts'
import { unsupportedReason } from './unsupported.ts'
import type { YamlText } from './yaml.ts'

type Issue = z.core.$ZodIssue
type RawIssue = z.core.$ZodRawIssue

/** What a union says by itself says nothing: its branches are looked into. */
const UNION = 'no branch fits'

const MISSING = 'is missing'

/** Enough to mend a file by; each costs a search in the text, and a hostile file has as many as it has lines. */
const MAX_EXPLAINED = 100

/** Violations of the schema as problems at their place in the text. */
export function explainIssues(error: z.ZodError<z.output<typeof configSchema>>, yaml: YamlText): Problem[] {
  return error.issues.slice(0, MAX_EXPLAINED).flatMap((issue) => explain(issue, [], yaml))
}

function explain(issue: Issue, base: KeyPath, yaml: YamlText): Problem[] {
  const path = [...base, ...(issue.path as KeyPath)]
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, path, yaml)
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => yaml.problemAt(path, 'key', `${formatPath(path)}: the key ${inner.message}`))
  }
  if (issue.code === 'invalid_union' && issue.message === UNION) return explainUnion(issue, path, yaml)
  return [yaml.problemAt(path, 'value', sentence(path, issue.message))]
}

function explainUnion(issue: z.core.$ZodIssueInvalidUnion, path: KeyPath, yaml: YamlText): Problem[] {
  const meant = issue.errors.find((branch) => !branch.some(isOtherKind))
  if (meant !== undefined) return meant.flatMap((inner) => explain(inner, path, yaml))
  const messages = issue.errors.flatMap((branch) => branch.filter(isOtherKind).map(({ message }) => message))
  if (messages.includes(MISSING)) return [yaml.problemAt(path, 'value', sentence(path, MISSING))]
  const kinds = messages.map((message) => message.replace(/^must be /, '').replace(/, not .*$/s, ''))
  const found = /, not .*$/s.exec(messages[0] ?? '')?.[0] ?? ''
  return [yaml.problemAt(path, 'value', sentence(path, `must be ${alternatives(kinds)}${found}`))]
}

/** The value is of another type than the branch is for: this branch was not what the author meant. */
function isOtherKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

function sentence(path: KeyPath, message: string): string {
  return path.length === 0 ? `the configuration ${message}` : `${formatPath(path)} ${message}`
}

function unknownKeys(keys: readonly string[], parent: KeyPath, yaml: YamlText): Problem[] {
  const known = knownKeys(parent)
  const place = parent.length === 0 ? '' : ` in ${formatPath(parent)}`
  return keys.slice(0, MAX_EXPLAINED).map((key) => {
    const path = [...parent, key]
    const reason = unsupportedReason(path)
    const message =
      reason === undefined
        ? `unknown key ${quote(key)}${place}${didYouMean(key, known)}`
        : `${formatPath(path)} is not supported in this version: ${reason}`
    return yaml.problemAt(path, 'key', message)
  })
}

/** The keys that may stand in the mapping at `path`. */
function knownKeys(path: KeyPath): readonly string[] {
  let schemas: readonly JsonSchema[] = [configJsonSchema()]
  for (const part of path) {
    schemas = schemas
      .flatMap((schema) => [schema, ...(schema.anyOf ?? [])])
      .flatMap((schema) => (typeof part === 'number' ? schema.items : schema.properties?.[part]) ?? [])
  }
  return schemas
    .flatMap((schema) => [schema, ...(schema.anyOf ?? [])])
    .flatMap((schema) => Object.keys(schema.properties ?? {}))
}

/**
 * The words for violations that the schema itself has none for; each completes `domains.mode …`.
 * Undefined leaves a message of the library.
 */
export function describeIssue(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_union':
      return issue.options === undefined ? UNION : unknownKind(issue)
    case 'invalid_type':
      return issue.input === undefined ? MISSING : `must be ${kind(issue.expected)}, not ${shown(issue.input)}`
    case 'invalid_value':
      return `must be ${alternatives(issue.values.map((value) => quote(String(value))))}, not ${shown(issue.input)}${suggestion(issue)}`
    case 'too_small':
      return bound('at least', issue.origin, issue.minimum)
    case 'too_big':
      return bound('at most', issue.origin, issue.maximum)
    default:
      return undefined
  }
}

/** The key that says which kind of mapping this is has another value than any of them. */
function unknownKind({ input, discriminator, options }: UnknownKind): string {
  const values = (options as readonly unknown[]).filter((option) => option !== undefined).map(String)
  const value = (input as Readonly<Record<string, unknown>>)[discriminator ?? '']
  return `must be ${alternatives(values.map(quote))}, not ${shown(value)}${suggestion({ input: value, values })}`
}

interface UnknownKind {
  readonly input?: unknown
  readonly discriminator?: string | undefined
  readonly options?: unknown
}

function suggestion(issue: { readonly input?: unknown; readonly values: readonly unknown[] }): string {
  return typeof issue.input === 'string' ? didYouMean(issue.input, issue.values.map(String)) : ''
}

/** `a`, `a or b`, `a, b or c` */
function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function bound(words: string, origin: string, limit: number | bigint): string {
  if (origin === 'array') return `must have ${words} ${limit} ${limit === 1 ? 'entry' : 'entries'}`
  if (origin === 'string') return `must have ${words} ${limit} ${limit === 1 ? 'character' : 'characters'}`
  return `must be ${words} ${limit}`
}

function kind(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
  }
  return names[expected] ?? expected
}

function shown(input: unknown): string {
  if (input === null) return 'empty'
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'object') return 'a mapping'
  return typeof input === 'string' ? quote(input) : `${input as number | boolean}`
}
