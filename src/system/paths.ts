import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

/** Nobody knows the user's home: there is no `HOME`, and no entry for the user in /etc/passwd. */
export class NoHomeError extends Error {
  override readonly name = 'NoHomeError'
}

type Environment = Readonly<Record<string, string | undefined>>

const CAGE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/** Whether `name` may name a cage: such a name is one path component and nothing else. */
export function isCageName(name: string): boolean {
  return CAGE_NAME.test(name)
}

/** `$XDG_CONFIG_HOME/agentcage`, by default `~/.config/agentcage`. */
export function configHome(env: Environment): string {
  return join(baseFolder(env, 'XDG_CONFIG_HOME', '.config'), 'agentcage')
}

/** `$XDG_STATE_HOME/agentcage`, by default `~/.local/state/agentcage`. */
export function stateHome(env: Environment): string {
  return join(baseFolder(env, 'XDG_STATE_HOME', '.local/state'), 'agentcage')
}

/** `$XDG_CACHE_HOME/agentcage`, by default `~/.cache/agentcage`: compiled code, which the program runs. */
function cacheHome(env: Environment): string {
  return join(baseFolder(env, 'XDG_CACHE_HOME', '.cache'), 'agentcage')
}

/** All of agentcage's own folders: no workload may see into them, or write what agentcage goes by. */
export function ownFolders(env: Environment): readonly string[] {
  return [stateHome(env), configHome(env), cacheHome(env)]
}

/** Where machines have what outlives them. */
export function machinesFolder(env: Environment): string {
  return join(stateHome(env), 'machines')
}

/** Where the states of all cages lie, a folder each. */
export function cagesFolder(env: Environment): string {
  return join(stateHome(env), 'cages')
}

/** The folder of one cage's state. Throws a RangeError for a name that no cage can have. */
export function cageState(name: string, env: Environment): string {
  return join(cagesFolder(env), cageName(name))
}

export function cageAudit(name: string, env: Environment): string {
  return join(cageState(name, env), 'audit.jsonl')
}

/** Where the cages that stay are kept, a folder each. */
export function deploymentsFolder(env: Environment): string {
  return join(configHome(env), 'deployments')
}

/** What is kept of one cage that stays: its configuration, its record, its secrets. */
export function deploymentFolder(name: string, env: Environment): string {
  return join(deploymentsFolder(env), cageName(name))
}

export function secretsFolder(name: string, env: Environment): string {
  return join(deploymentFolder(name, env), 'secrets')
}

/** `$XDG_CONFIG_HOME`, by default `~/.config`: where systemd and Podman look for a user's units. */
export function userConfigHome(env: Environment): string {
  return baseFolder(env, 'XDG_CONFIG_HOME', '.config')
}

/** A path as it is written in a file of `folder`, absolute; a leading `~/` is the home folder. */
export function pathFrom(folder: string, written: string): string {
  return resolve(folder, written.replace(/^~(?=\/)/, homeFolder()))
}

/** XDG Base Directory Specification: a path that is not absolute is invalid and ignored, as is an empty one. */
function baseFolder(env: Environment, variable: string, fallback: string): string {
  const configured = env[variable]
  if (configured !== undefined && isAbsolute(configured)) return configured
  const home = env['HOME']
  return join(home !== undefined && isAbsolute(home) ? home : homeFolder(), fallback)
}

/** The user's home folder as the system knows it. Throws a NoHomeError. */
export function homeFolder(): string {
  try {
    return homedir()
  } catch (error) {
    throw new NoHomeError(`user ${process.geteuid?.()} has no home folder`, { cause: error })
  }
}

/** Names become path components: `..` or `a/b` must not get this far, whoever calls. */
function cageName(name: string): string {
  if (!isCageName(name)) throw new RangeError(`not a name for a cage: ${JSON.stringify(name.slice(0, 80))}`)
  return name
}
