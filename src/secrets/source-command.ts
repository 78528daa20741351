import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { SecretSource } from '../config/schema-secret-source.ts'
import { CageError } from '../errors.ts'
import { captureProgram, type CapturedProgram, type ProgramEnd } from '../system/captured-program.ts'
import { MAX_SECRET_BYTES, parseSecret } from './secret-value.ts'
import type { Secret } from './secret.ts'
import type { SourceContext } from './source.ts'
import { unavailable } from './source-problem.ts'

/** How long a vault may take to answer. */
const SECONDS = 30

/** Characters of what a program complained about that are shown. */
const MAX_COMPLAINT = 2000

const UNSHOWN = 'what it complained about is not shown, as it had printed something: run it to see'

/** For programs that ask where others are; the folders of a workload are taken out of PATH. */
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * What a rule's own command prints. A configuration that the workload may have written, or that came with a project, does
 * not say what runs outside of the cage: CageError `config_invalid`.
 */
export async function readCommand(
  name: string,
  source: SecretSource & { readonly kind: 'command' },
  context: SourceContext,
): Promise<Secret> {
  const { configPath, reach } = context
  if (configPath !== undefined && (await reach.holds(configPath))) {
    throw new CageError(
      'config_invalid',
      `secret ${name}: ${configPath} is within the workload's reach, so it cannot name a command`,
      {
        hint: 'Keep a configuration with cmd: outside of the project and of every volume.',
      },
    )
  }
  return runTool(name, { source, argv: source.argv }, context)
}

/** What is run for a source. */
export interface Tool {
  readonly source: SecretSource
  readonly argv: readonly [string, ...string[]]
}

/**
 * The value that a program prints. Its standard output is never shown, its standard error is when it fails and has printed
 * nothing.
 */
export async function runTool(name: string, tool: Tool, context: SourceContext): Promise<Secret> {
  const { end, stdout, stderr } = await captureTool(name, tool, context)
  const failure = failureOf(end, context)
  if (failure === undefined) return parseSecret(name, stdout)
  return unavailable(name, tool.source, [failure, ...complaint(stderr, stdout)].join('\n'))
}

/**
 * Runs a program in `/` with agentcage's environment, without input and without a terminal. Neither it nor what it starts
 * is looked for where the workload could have put a program.
 */
export async function captureTool(
  name: string,
  { source, argv }: Tool,
  context: SourceContext,
): Promise<CapturedProgram> {
  const folders = await context.reach.programFolders(context.environment['PATH'] ?? DEFAULT_PATH)
  const program = await findProgram(name, { source, program: argv[0], folders }, context)
  return captureProgram(program, argv.slice(1), {
    environment: { ...context.environment, PATH: folders.join(delimiter) },
    workingDirectory: '/',
    timeout: SECONDS * 1000,
    // One more than a value and its line break may have: a value that was cut must not pass.
    maxBytes: MAX_SECRET_BYTES + 3,
    signal: context.signal,
  })
}

interface Wanted {
  readonly source: SecretSource
  readonly program: string
  readonly folders: readonly string[]
}

/** With a slash it is a path, relative to the configuration's folder; otherwise a name that PATH has. */
async function findProgram(
  name: string,
  { source, program, folders }: Wanted,
  context: SourceContext,
): Promise<string> {
  if (!program.includes('/')) {
    for (const path of folders.map((folder) => join(folder, program)))
      if ((await isProgram(path)) && !(await context.reach.holds(path))) return path
    return unavailable(name, source, `there is no program ${program} in PATH`)
  }
  const { configPath } = context
  if (!program.startsWith('/') && configPath === undefined)
    return unavailable(name, source, 'a relative path needs a configuration file to start from')
  const path = resolve(dirname(configPath ?? '/'), program)
  const isThere = await isProgram(path)
  if (await context.reach.holds(path)) {
    throw new CageError('config_invalid', `secret ${name}: ${path} is within the workload's reach`, {
      hint: 'It would run outside of the cage. Keep it outside of the project and of every volume.',
    })
  }
  return isThere ? path : unavailable(name, source, `there is no program ${path}`)
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

function failureOf(end: ProgramEnd, { signal }: SourceContext): string | undefined {
  switch (end.kind) {
    case 'exit':
      return end.code === 0 ? undefined : `it ended with exit code ${end.code}`
    case 'signal':
      return `${end.signal} ended it`
    case 'stopped':
      if (signal?.aborted === true) return 'it was interrupted'
      return end.waitedFor === 'itself'
        ? `it took more than ${SECONDS} seconds`
        : `it ended, but what it left running kept its output open for more than ${SECONDS} seconds: redirect that (>/dev/null)`
    case 'not started':
      return `it could not be started: ${end.cause.message}`
  }
}

/**
 * Standard error as it may be shown: only when nothing was printed. A program that printed a value before it failed may
 * repeat it there, whole, line by line, quoted or encoded, and no search finds every such form.
 */
function complaint(stderr: Buffer, stdout: Buffer): readonly string[] {
  const lines = plainText(stderr)
    .slice(0, MAX_COMPLAINT)
    .split('\n')
    .filter((line) => line.trim() !== '')
  if (lines.length > 0 && stdout.length > 0) return [`  ${UNSHOWN}`]
  return lines.map((line) => `  ${line.trimEnd()}`)
}

/** Without terminal sequences, control and format characters. */
function plainText(bytes: Buffer): string {
  return stripVTControlCharacters(bytes.toString()).replace(/[^\P{C}\n]/gu, '')
}
