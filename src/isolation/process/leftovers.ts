import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { printable } from '../../system/printable.ts'
import { entriesOf, pointedTo, smallFile, surveyRepositories, type Survey } from './repositories.ts'
import { gitlinks } from './gitlinks.ts'
import { linkTarget, statOf } from './paths.ts'
import { readGitConfig } from './git-config.ts'

/** Something in the project that may run on the host and was not there, or not so, before the workload ran. */
export interface Leftover {
  readonly path: string
  readonly reason: string
}

/** What a project held before the workload ran. */
export interface ProjectMemory {
  /** Fingerprints of what is run or read by tools, by path. */
  readonly fingerprints: ReadonlyMap<string, string>
  readonly complete: boolean
}

/** More finds than this are counted only: nobody reads on. */
const MOST_SHOWN = 50
/** How far into a folder of settings is looked for changes. */
const MOST_FILES = 5000

/** What git and tools would run or read in a project at the time of the survey. */
export function rememberProject(survey: Survey): ProjectMemory {
  const { folders } = gitlinks(survey)
  const found = findsOf(survey, folders)
  return {
    fingerprints: new Map(found.map(({ path, fingerprint }) => [path, fingerprint])),
    complete: survey.complete,
  }
}

/**
 * Repositories can be made anywhere in a writable folder, and git runs what their configuration says as soon as
 * somebody looks (`core.fsmonitor`, also in a nested repository that the outer index names). That cannot be mounted
 * away, so it is looked for when the workload has ended; and so are settings of tools in folders below the project's.
 * What could not be looked into is named as well. Text is free of control characters.
 */
export function findLeftovers(project: string, before: ProjectMemory): readonly Leftover[] {
  const survey = surveyRepositories(project)
  const { folders, unread } = gitlinks(survey)
  const found = findsOf(survey, folders)
  const unknown: readonly Leftover[] = [
    ...(survey.complete && before.complete ? [] : [{ path: project, reason: UNSEARCHED }]),
    ...unread.map((path) => ({ path, reason: UNREAD })),
    ...found.filter(({ path, fingerprint }) => before.fingerprints.get(path) !== fingerprint),
  ]
  const shown = unknown.map(({ path, reason }) => ({ path: printable(path), reason: printable(reason.slice(0, 300)) }))
  const distinct = [...new Map(shown.map((leftover) => [`${leftover.path}: ${leftover.reason}`, leftover])).values()]
  if (distinct.length <= MOST_SHOWN) return distinct
  const more = `has ${distinct.length - MOST_SHOWN} more such things`
  return [...distinct.slice(0, MOST_SHOWN), { path: printable(project), reason: more }]
}

const UNSEARCHED = 'has folders that were not searched: look for new repositories before you run git in it'
const CLOSED = 'may not be listed: look into it before you enter it'
const UNREAD = 'is an index that cannot be read for certain: look for repositories before you run git there'

interface Executable extends Leftover {
  readonly fingerprint: string
}

function findsOf(survey: Survey, linked: readonly string[]): readonly Executable[] {
  return [
    ...executables(survey, linked),
    ...survey.settings.flatMap(toolSettings),
    ...survey.closed.flatMap(closedFolder),
  ]
}

/** Whoever may enter a folder runs what git finds in it, listed or not. */
function closedFolder(path: string): readonly Executable[] {
  const stats = statOf(path)
  return stats === undefined ? [] : [executable(path, CLOSED, `${stats.ino}:${stats.ctimeMs}`)]
}

function executables(survey: Survey, linked: readonly string[]): readonly Executable[] {
  return [
    ...survey.repositories.flatMap(({ gitFolder }) => inGitFolder(gitFolder)),
    ...survey.pointers.flatMap(inPointer),
    ...survey.links.flatMap((path) => [
      executable(path, 'leads git elsewhere', linkTarget(path)),
      ...inGitFolder(linkTarget(path)),
    ]),
    ...linked.flatMap((folder) => inWorkTree(folder)),
  ]
}

/** What is empty, as stand-ins are, says nothing to any tool. */
function toolSettings(path: string): readonly Executable[] {
  const files = filesOf(path)
  return files.length === 0 ? [] : [executable(path, 'is read by editors, agents or shells', files.join('\n'))]
}

/** The files at or below a path with what changes when they do; a change time cannot be set back. */
function filesOf(path: string): readonly string[] {
  const files: string[] = []
  const pending = [path]
  for (let visits = 0, next = pending.pop(); next !== undefined; next = pending.pop()) {
    // Like nothing that was there before.
    if (++visits > MOST_FILES) return [randomUUID()]
    const stats = statOf(next)
    if (stats?.isDirectory() === true) pending.push(...below(next))
    else if (stats !== undefined && (stats.size > 0 || !stats.isFile()))
      files.push(`${next}:${stats.ino}:${stats.ctimeMs}:${stats.size}`)
  }
  return files.toSorted()
}

function below(folder: string): readonly string[] {
  const entries = entriesOf(folder)
  return entries.slice(0, MOST_FILES + 1).map((entry) => join(folder, entry.name))
}

function inGitFolder(folder: string): readonly Executable[] {
  const found: Executable[] = []
  for (const name of ['config', 'config.worktree']) {
    const path = join(folder, name)
    const { commands } = readGitConfig(smallFile(path) ?? '', path)
    if (commands.length > 0) found.push(executable(path, `makes git run ${commands[0]}`, commands.join('\n')))
  }
  const common = smallFile(join(folder, 'commondir'))
  if (common !== undefined && common.trim() !== '.')
    found.push(executable(join(folder, 'commondir'), 'leads git elsewhere', common))
  for (const name of ['config', 'config.worktree', 'commondir', TODO]) found.push(...unreadable(join(folder, name)))
  return [
    ...found,
    ...hooksIn(join(folder, 'hooks')),
    ...plannedCommands(folder),
    ...toolSettings(join(folder, 'lazygit.yml')),
  ]
}

/** git follows links, and reads files of any size. */
function unreadable(path: string): readonly Executable[] {
  const stats = statOf(path)
  if (stats === undefined || smallFile(path) !== undefined) return []
  return [executable(path, 'is read by git, and no small file', `${stats.ino}:${stats.ctimeMs}:${stats.size}`)]
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

const TODO = join('rebase-merge', 'git-rebase-todo')

/** `exec` lines of a rebase that was left unfinished run with `git rebase --continue`. */
function plannedCommands(folder: string): readonly Executable[] {
  const path = join(folder, TODO)
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
  return { path, reason, fingerprint: createHash('sha256').update(content).digest('base64') }
}
