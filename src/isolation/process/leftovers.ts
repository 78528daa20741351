import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { configOf, entriesOf, pointedTo, smallFile, surveyRepositories, type Survey } from './repositories.ts'
import { gitlinks } from './gitlinks.ts'
import { linkTarget, statOf } from './paths.ts'
import { readGitConfig } from './git-config.ts'

/** Something in the project that may run on the host and was not there, or not so, before the workload ran. */
export interface Leftover {
  readonly path: string
  readonly reason: string
}

/** The state of what git runs, by path. */
export type ProjectMemory = ReadonlyMap<string, string>

/** What git would run in a project at the time of the survey: by path, a fingerprint of it. */
export function rememberProject(survey: Survey): ProjectMemory {
  return new Map(executables(survey).map(({ path, fingerprint }) => [path, fingerprint]))
}

/**
 * Repositories can be made anywhere in a writable folder, and git runs what their configuration says as soon as
 * somebody looks (`core.fsmonitor`, also in a nested repository that the outer index names). That cannot be mounted
 * away, so it is looked for when the workload has ended.
 */
export function findLeftovers(project: string, before: ProjectMemory): readonly Leftover[] {
  const survey = surveyRepositories(project)
  const linked = survey.repositories.some(({ workTree }) => workTree === project) ? gitlinks(project) : []
  const found = [...executables(survey), ...linked.flatMap((folder) => inWorkTree(folder))]
  const unknown = found.filter(({ path, fingerprint }) => before.get(path) !== fingerprint)
  return [...new Map(unknown.map(({ path, reason }) => [`${path}: ${reason}`, { path, reason }])).values()]
}

interface Executable extends Leftover {
  readonly fingerprint: string
}

function executables(survey: Survey): readonly Executable[] {
  return [
    ...survey.repositories.flatMap(({ gitFolder }) => inGitFolder(gitFolder)),
    ...survey.pointers.flatMap(inPointer),
    ...survey.links.flatMap((path) => [
      executable(path, 'leads git elsewhere', linkTarget(path)),
      ...inGitFolder(linkTarget(path)),
    ]),
  ]
}

function inGitFolder(folder: string): readonly Executable[] {
  const found: Executable[] = []
  const config = join(folder, 'config')
  const commands = configOf(folder)?.commands ?? []
  if (commands.length > 0) found.push(executable(config, `makes git run ${commands[0]}`, commands.join('\n')))
  const worktreeConfig = join(folder, 'config.worktree')
  const more = readGitConfig(smallFile(worktreeConfig) ?? '', worktreeConfig).commands
  if (more.length > 0) found.push(executable(worktreeConfig, `makes git run ${more[0]}`, more.join('\n')))
  const common = smallFile(join(folder, 'commondir'))
  if (common !== undefined && common.trim() !== '.')
    found.push(executable(join(folder, 'commondir'), 'leads git elsewhere', common))
  return [...found, ...hooksIn(join(folder, 'hooks')), ...plannedCommands(folder)]
}

function hooksIn(folder: string): readonly Executable[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name)
    const stats = statOf(path)
    if (stats === undefined || stats.isDirectory() || entry.name.endsWith('.sample')) return []
    if (stats.isFile() && (stats.mode & 0o111) === 0) return []
    return [
      executable(path, 'is a hook that git runs', smallFile(path) ?? `${stats.ino}:${stats.mtimeMs}:${stats.size}`),
    ]
  })
}

/** `exec` lines of a rebase that was left unfinished run with `git rebase --continue`. */
function plannedCommands(folder: string): readonly Executable[] {
  const path = join(folder, 'rebase-merge', 'git-rebase-todo')
  const command = /^\s*(?:x|exec)\s.*$/m.exec(smallFile(path) ?? '')?.[0]
  return command === undefined
    ? []
    : [executable(path, `makes \`git rebase --continue\` run ${command.trim()}`, command)]
}

function inWorkTree(folder: string): readonly Executable[] {
  const path = join(folder, '.git')
  return statOf(path)?.isFile() === true ? inPointer(path) : inGitFolder(linkTarget(path))
}

/** A submodule or linked work tree is as harmless as the folder it points to. */
function inPointer(pointer: string): readonly Executable[] {
  const target = pointedTo(pointer)
  return target === undefined ? [] : inGitFolder(target)
}

function executable(path: string, reason: string, content: string): Executable {
  return {
    path,
    reason: reason.slice(0, 300).replace(/[\x00-\x1f\x7f-\x9f]/g, '?'),
    fingerprint: createHash('sha256').update(content).digest('base64'),
  }
}
