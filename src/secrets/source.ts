import { dirname, resolve } from 'node:path'
import type { SecretSource } from '../config/schema-secret-source.ts'
import { CageError } from '../errors.ts'
import { captureTool, readCommand, runTool } from './source-command.ts'
import { readSecretFile } from './source-file.ts'
import { unavailable } from './source-problem.ts'
import { parseSecret } from './secret-value.ts'
import type { Reach } from './reach.ts'
import type { Secret } from './secret.ts'
import type { SecretStore } from './store.ts'

/** What sources need to know of the cage and of the host. */
export interface SourceContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The configuration's file, absolute: relative paths start from its folder. Undefined: there are no such paths. */
  readonly configPath: string | undefined
  readonly reach: Reach
  readonly store: Pick<SecretStore, 'get'> | undefined
  /** Ends commands under way. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The value of a secret from the one source that its rule names; there is no other to fall back to. Throws CageError
 * `secret_unavailable` when it cannot be had, `secret_invalid` when it cannot be used, `config_invalid` for a source
 * within the workload's reach. No message holds a value or the arguments of a command.
 */
export async function readSource(name: string, source: SecretSource, context: SourceContext): Promise<Secret> {
  switch (source.kind) {
    case 'store':
      return (await context.store?.get(name)) ?? unavailable(name, source, 'the store has no value')
    case 'env':
      return readVariable(name, source, context)
    case 'file':
      return readSecretFile(name, { source, path: await placeOf(name, source, context) })
    case 'command':
      return readCommand(name, source, context)
    case 'credential':
      return readCredential(name, source, context)
    case 'encrypted-credential':
      return readEncrypted(name, source, context)
    case 'podman':
      return runTool(name, { source, argv: ['podman', ...PODMAN, source.name] }, context)
  }
}

/** The file that a source's value is in, where it is in one: what to watch. */
export function sourceFile(source: SecretSource, context: SourceContext): string | undefined {
  if (source.kind === 'file' || source.kind === 'encrypted-credential') return absolute(source.path, context)
  const folder = context.environment['CREDENTIALS_DIRECTORY']
  return source.kind === 'credential' && folder !== undefined && folder !== ''
    ? resolve('/', folder, source.name)
    : undefined
}

const PODMAN = ['secret', 'inspect', '--showsecret', '--format', '{{.SecretData}}'] as const

function readVariable(
  name: string,
  source: SecretSource & { readonly kind: 'env' },
  { environment }: SourceContext,
): Secret {
  const value = Object.hasOwn(environment, source.name) ? environment[source.name] : undefined
  if (value === undefined || value === '') return unavailable(name, source, 'the variable is not set')
  return parseSecret(name, value)
}

async function readCredential(
  name: string,
  source: SecretSource & { readonly kind: 'credential' },
  context: SourceContext,
): Promise<Secret> {
  const path = sourceFile(source, context)
  if (path === undefined)
    return unavailable(name, source, 'CREDENTIALS_DIRECTORY is not set: agentcage was not started by a unit with it')
  return readSecretFile(name, { source, path })
}

/** Since systemd 256 users have credentials of their own, and need no privileges for them. */
async function readEncrypted(
  name: string,
  source: SecretSource & { readonly kind: 'encrypted-credential' },
  context: SourceContext,
): Promise<Secret> {
  const path = await placeOf(name, source, context)
  const { stdout: help } = await captureTool(name, { source, argv: ['systemd-creds', '--help'] }, context)
  const scope = process.geteuid?.() !== 0 && help.includes('--user') ? ['--user'] : []
  return runTool(name, { source, argv: ['systemd-creds', ...scope, 'decrypt', path, '-'] }, context)
}

async function placeOf(
  name: string,
  source: SecretSource & { readonly path: string },
  context: SourceContext,
): Promise<string> {
  const path = absolute(source.path, context)
  if (path === undefined) return unavailable(name, source, 'a relative path needs a configuration file to start from')
  if (await context.reach.holds(path)) {
    throw new CageError('config_invalid', `secret ${name}: ${path} is within the workload's reach`, {
      hint: 'Keep it outside of the project and of every volume.',
    })
  }
  return path
}

function absolute(path: string, { configPath, environment }: SourceContext): string | undefined {
  if (path.startsWith('/')) return resolve(path)
  if (!path.startsWith('~/')) return configPath === undefined ? undefined : resolve(dirname(configPath), path)
  const home = environment['HOME']
  return home === undefined || !home.startsWith('/') ? undefined : resolve(home, path.slice(2))
}
