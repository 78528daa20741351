import { isUtf8 } from 'node:buffer'
import { CageError } from '../errors.ts'
import { describeIssue, explainIssues } from './explain.ts'
import { configDigest, MOST_CONFIG_BYTES, readConfigBytes } from './file.ts'
import { formatProblem, type Problem } from './problem.ts'
import { ruleProblems } from './rules.ts'
import { configSchema, type Config } from './schema.ts'
import { readYaml } from './yaml.ts'

/** Problems in a message. */
const MAX_SHOWN = 50

/** What came of reading a configuration: either it, or what is wrong with it in the order of the text. */
export interface CheckedConfig {
  readonly config?: Config
  readonly problems: readonly Problem[]
}

/**
 * The configuration in a file. Throws `config_unreadable`, or `config_invalid` with a line for each problem,
 * `file:line:col: what is wrong`, and the `Problem`s as its cause. There is no falling back to defaults.
 */
export async function loadConfig(path: string): Promise<Config> {
  return accept(await checkConfigFile(path), path)
}

/** A configuration file as it was read at one moment. */
export interface ConfigFile {
  /** Of its bytes, hex. */
  readonly sha256: string
  /** As `loadConfig`. */
  parse(): Config
}

/** Reads a file once, so that its digest and its meaning are of the same bytes. Throws `config_unreadable`. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const bytes = await readConfigBytes(path)
  return { sha256: configDigest(bytes), parse: () => accept(checkConfigBytes(bytes), path) }
}

/** As `loadConfig`, for a text; `file` is what messages call it. */
export function parseConfig(text: string, file: string): Config {
  return accept(checkConfigText(text), file)
}

/** As `loadConfig`, but returns the problems. Throws `config_unreadable`. */
export async function checkConfigFile(path: string): Promise<CheckedConfig> {
  return checkConfigBytes(await readConfigBytes(path))
}

function checkConfigBytes(bytes: Buffer): CheckedConfig {
  if (bytes.length > MOST_CONFIG_BYTES)
    return { problems: [{ line: 1, column: 1, message: 'larger than 1 MiB', path: '' }] }
  if (!isUtf8(bytes)) return { problems: [{ line: 1, column: 1, message: 'not UTF-8 text', path: '' }] }
  return checkConfigText(bytes.toString('utf8'))
}

/** A line for each of the first problems. */
export function problemText(problems: readonly Problem[], file: string): string {
  const lines = problems.slice(0, MAX_SHOWN).map((problem) => formatProblem(file, problem))
  const rest = problems.length - lines.length
  return [...lines, ...(rest > 0 ? [`${file}: and ${rest} more`] : [])].join('\n')
}

function accept({ config, problems }: CheckedConfig, file: string): Config {
  if (config !== undefined) return config
  throw new CageError('config_invalid', problemText(problems, file), { cause: problems })
}

function checkConfigText(text: string): CheckedConfig {
  const yaml = readYaml(text)
  if (yaml.value === undefined) return { problems: yaml.problems }
  const parsed = configSchema.safeParse(yaml.value, { error: describeIssue })
  const found = parsed.success ? ruleProblems(parsed.data, yaml) : explainIssues(parsed.error, yaml)
  const problems = inOrder(yaml.problems, found)
  return parsed.success && problems.length === 0 ? { config: parsed.data, problems } : { problems }
}

/** In the order of the text. Where the YAML itself is wrong, what the schema says about the same place only follows. */
function inOrder(yaml: readonly Problem[], schema: readonly Problem[]): Problem[] {
  const places = new Set(yaml.map(({ line, column }) => `${line}:${column}`))
  return [...yaml, ...schema.filter(({ line, column }) => !places.has(`${line}:${column}`))].toSorted(
    (a, b) => a.line - b.line || a.column - b.column,
  )
}
