import { resolve } from 'node:path'
import { CageError } from '../../errors.ts'
import type { CredentialGuard } from './credentials.ts'
import type { HostFacts } from './host.ts'
import { isWithin, realPath, statOf } from './paths.ts'

/** Folders that are no projects: as such, nor anything below those that end in `/`. */
const SYSTEM = [
  '/bin/',
  '/boot/',
  '/dev/',
  '/etc/',
  '/gnu/',
  '/home',
  '/lib/',
  '/lib32/',
  '/lib64/',
  '/libx32/',
  '/media',
  '/mnt',
  '/nix/',
  '/opt',
  '/proc/',
  '/root',
  '/run/',
  '/sbin/',
  '/srv',
  '/sys/',
  '/tmp',
  '/usr/bin/',
  '/usr/include/',
  '/usr/lib/',
  '/usr/lib32/',
  '/usr/lib64/',
  '/usr/libexec/',
  '/usr/sbin/',
  '/usr/share/',
  '/usr/local',
  '/usr',
  '/var',
  '/var/lib',
  '/var/tmp',
]

/**
 * The project folder without symbolic links. Throws `mount_refused` for a folder that would show or put at risk
 * more than a project: the home or what contains it, the system, credentials, agentcage's own folders.
 */
export function resolveProject(given: string, host: HostFacts, guard: CredentialGuard): string {
  const named = resolve(host.workingDirectory, given)
  const project = realPath(named)
  if (project === undefined) throw missing(named)
  if (statOf(project)?.isDirectory() !== true)
    throw refusal(`project '${named}' is not a folder`, 'Name a folder with --project DIR.')
  const home = realPath(host.home) ?? host.home
  if (project === home) throw refusal(`project folder '${project}' is the home directory`, ELSEWHERE)
  if (isWithin(home, project))
    throw refusal(`project folder '${project}' contains the home directory ('${home}')`, ELSEWHERE)
  if (SYSTEM.some((folder) => isSystem(project, folder)))
    throw refusal(`project folder '${project}' belongs to the system`, ELSEWHERE)
  for (const folder of host.ownFolders) {
    if (!isWithin(project, folder) && !isWithin(folder, project)) continue
    throw refusal(`project folder '${project}' would show agentcage's own folder '${folder}'`, ELSEWHERE)
  }
  const finding = guard(project)
  // Names such as `.aws` directly in a project are part of the project; only credentials of the home itself count.
  if (finding === undefined || finding.how === 'has a copy of') return project
  throw refusal(`project folder '${project}' ${finding.how} credentials ('~/${finding.credential}')`, ELSEWHERE)
}

const ELSEWHERE = 'Work in a folder of its own, such as ~/projects/NAME, or name one with --project DIR.'

function isSystem(project: string, folder: string): boolean {
  return folder.endsWith('/') ? isWithin(project, folder.slice(0, -1)) : project === folder
}

/** Node reads each byte that is not UTF-8 as U+FFFD, and no path with that leads back to the folder. */
function missing(named: string): CageError {
  return named.includes('\ufffd')
    ? refusal(`project folder '${named}' has a name that is not UTF-8, which Node cannot open`, 'Rename the folder.')
    : refusal(`project folder '${named}' does not exist`, 'Name a folder that exists with --project DIR.')
}

function refusal(message: string, hint: string): CageError {
  return new CageError('mount_refused', message, { hint })
}
