import { totalmem, userInfo } from 'node:os'
import { isAbsolute, normalize } from 'node:path'
import { homeFolder } from '../../system/paths.ts'
import { realPath } from './paths.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What the plan of a workload depends on beside its configuration. */
export interface HostFacts {
  readonly environment: Environment
  /** The person's home. The workload gets an empty one at the same path. */
  readonly home: string
  readonly userName: string
  /** Where agentcage was called. Absolute, without symbolic links. */
  readonly workingDirectory: string
  /** Physical memory, in bytes. */
  readonly memory: number
  /** The Node that runs agentcage. */
  readonly runtime: string
  /** Folders with agentcage's state, configuration and secrets: never visible inside. */
  readonly ownFolders: readonly string[]
}

/** Homes that some service accounts have and that must stay what they are. */
const NO_HOMES: ReadonlySet<string> = new Set([
  '/',
  '/bin',
  '/dev',
  '/etc',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/tmp',
  '/usr',
  '/usr/bin',
  '/usr/sbin',
  '/var',
])

const FALLBACK_HOME = '/home/agent'

/** Reads the facts off this process and this machine. */
export function gatherHost({
  ownFolders,
  environment = process.env,
  workingDirectory = process.cwd(),
}: {
  readonly ownFolders: readonly string[]
  readonly environment?: Environment
  readonly workingDirectory?: string
}): HostFacts {
  return {
    environment,
    home: homeOf(environment),
    userName: nameOf(environment),
    workingDirectory,
    memory: totalmem(),
    runtime: realPath(process.execPath) ?? process.execPath,
    ownFolders: ownFolders.map((folder) => realPath(folder) ?? normalize(folder)),
  }
}

function homeOf(environment: Environment): string {
  const named = environment['HOME'] ?? homeFolder()
  if (!isAbsolute(named)) return FALLBACK_HOME
  const home = normalize(named).replace(/(?<=.)\/+$/, '')
  return NO_HOMES.has(realPath(home) ?? home) || NO_HOMES.has(home) ? FALLBACK_HOME : home
}

/** An account without an entry in /etc/passwd has no name. */
function nameOf(environment: Environment): string {
  try {
    return userInfo().username
  } catch {
    return environment['USER'] ?? 'agent'
  }
}
