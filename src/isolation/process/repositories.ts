import { readdirSync, readFileSync, type Dirent } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { isErrno } from '../../system/files.ts'
import { readGitConfig, type GitPaths } from './git-config.ts'
import { isWithin, realPath, statOf } from './paths.ts'
import { isToolSetting, OTHER_REPOSITORIES } from './tool-settings.ts'

/** A git repository, or what poses as one, within the project. */
export interface Repository {
  /** The folder with `config`, `hooks` and `HEAD`: `.git` itself, a submodule's in `.git/modules`, a bare repository. */
  readonly gitFolder: string
  /** Where its hooks run; undefined for a submodule's folder, whose work tree is elsewhere. */
  readonly workTree: string | undefined
}

export interface Survey {
  readonly repositories: readonly Repository[]
  /** `.git` files: they point to a git folder elsewhere (submodules, linked work trees). */
  readonly pointers: readonly string[]
  /** `.git` as a symbolic link. */
  readonly links: readonly string[]
  /** Sockets that some service of the host may listen on. */
  readonly sockets: readonly string[]
  /** Settings of editors, agents and shells that act from the folder they lie in. */
  readonly settings: readonly string[]
  /** Folders that may be entered but not listed: git finds a repository in one by its name. */
  readonly closed: readonly string[]
  /** False when the project is larger than the search goes, or has names that cannot be searched. */
  readonly complete: boolean
}

const MAX_DEPTH = 16
const MAX_FOLDERS = 5000
const MAX_REPOSITORIES = 128

/** Large, generated, and not where repositories are: what lies directly in one is looked at, and no further. */
const SKIPPED: ReadonlySet<string> = new Set([
  'node_modules',
  '.venv',
  'venv',
  '__pycache__',
  'target',
  '.cache',
  '.tox',
  '.next',
  '.gradle',
])

/** Looks for repositories in a project, breadth first and bounded. */
export function surveyRepositories(project: string): Survey {
  const found = {
    repositories: [] as Repository[],
    pointers: [] as string[],
    links: [] as string[],
    sockets: [] as string[],
    settings: [] as string[],
    closed: [] as string[],
  }
  let isSearchable = true
  let level = [project]
  let folders = 0
  for (let depth = 0; level.length > 0 && depth <= MAX_DEPTH; depth++) {
    const next: string[] = []
    for (const folder of level) {
      if (++folders > MAX_FOLDERS || found.repositories.length > MAX_REPOSITORIES) return { ...found, complete: false }
      const entries = listed(folder)
      if (entries === undefined) {
        found.closed.push(folder)
        continue
      }
      if (folder !== project && isGitFolder(entries))
        found.repositories.push({ gitFolder: folder, workTree: undefined })
      for (const entry of entries) {
        const path = join(folder, entry.name)
        // A name that is no text cannot be opened by what is left of it.
        if (entry.name.includes('\ufffd')) isSearchable = false
        if (isToolSetting(entry.name)) found.settings.push(path)
        if (Object.hasOwn(OTHER_REPOSITORIES, entry.name))
          found.settings.push(...(OTHER_REPOSITORIES[entry.name] ?? []).map((name) => join(path, name)))
        if (entry.isSocket()) found.sockets.push(path)
        else if (entry.name !== '.git') {
          if (entry.isDirectory()) next.push(...(SKIPPED.has(entry.name) ? repositoriesIn(path) : [path]))
        } else if (entry.isDirectory()) {
          found.repositories.push({ gitFolder: path, workTree: folder }, ...submodulesOf(path))
          found.sockets.push(
            ...entriesOf(path)
              .filter((inner) => inner.isSocket())
              .map((inner) => join(path, inner.name)),
          )
        } else (entry.isSymbolicLink() ? found.links : found.pointers).push(path)
      }
    }
    level = next
  }
  return { ...found, complete: level.length === 0 && isSearchable }
}

/** Of a folder that is skipped and those directly in it, the ones that git takes for a repository's. */
function repositoriesIn(skipped: string): readonly string[] {
  const inside = entriesOf(skipped).filter((entry) => entry.isDirectory() && entry.name !== '.git')
  const folders = [skipped, ...inside.slice(0, MAX_FOLDERS).map((entry) => join(skipped, entry.name))]
  return folders.filter((folder) => statOf(join(folder, '.git')) !== undefined)
}

/** The git folders of submodules: `.git/modules/NAME`, where NAME may hold slashes, and those of their submodules. */
export function submodulesOf(gitFolder: string): readonly Repository[] {
  const found: Repository[] = []
  let level = [join(gitFolder, 'modules')]
  let folders = 0
  for (let depth = 0; level.length > 0 && depth <= MAX_DEPTH && found.length < MAX_REPOSITORIES; depth++) {
    const next: string[] = []
    for (const folder of level) {
      if (++folders > MAX_FOLDERS) return found
      const entries = entriesOf(folder)
      if (isGitFolder(entries)) {
        found.push({ gitFolder: folder, workTree: undefined })
        next.push(join(folder, 'modules'))
      } else next.push(...entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name)))
    }
    level = next
  }
  return found
}

/** What the configuration of a git folder says; undefined without a readable one. */
export function configOf(gitFolder: string): GitPaths | undefined {
  const path = join(gitFolder, 'config')
  const text = smallFile(path)
  return text === undefined ? undefined : readGitConfig(text, path)
}

/** Where a `.git` file points to: `gitdir: PATH` (gitrepository-layout(5)), up to a NUL, as in C. */
export function pointedTo(pointer: string): string | undefined {
  const [target = ''] = /^gitdir: ([^]+?)[\r\n]*$/.exec(smallFile(pointer) ?? '')?.[1]?.split('\0') ?? []
  return target === '' ? undefined : resolve(pointer, '..', target)
}

/**
 * The git folders of a linked work tree (`git worktree add`), or undefined when the pointer is not answered: the
 * folder it names must name it back, which a workload that forged the pointer cannot arrange.
 */
export function linkedWorkTree(pointer: string): { readonly own: string; readonly common: string } | undefined {
  const named = pointedTo(pointer)
  const own = named === undefined ? undefined : realPath(named)
  if (own === undefined) return undefined
  const back = smallFile(join(own, 'gitdir'))?.trim()
  if (back === undefined || realPath(resolve(own, back)) !== realPath(pointer)) return undefined
  const common = realPath(resolve(own, smallFile(join(own, 'commondir'))?.trim() ?? '.'))
  if (
    common === undefined ||
    !isWithin(own, join(common, 'worktrees')) ||
    relative(join(common, 'worktrees'), own).includes('/')
  )
    return undefined
  return { own, common }
}

/** A small text file that is really there; undefined for all else. */
export function smallFile(path: string): string | undefined {
  const stats = statOf(path)
  if (stats === undefined || !stats.isFile() || stats.size > 1 << 20) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

export function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Undefined where the folder may not be listed. */
function listed(folder: string): readonly Dirent[] | undefined {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    return isErrno(error, 'EACCES') ? undefined : []
  }
}

/** How git tells (setup.c, is_git_directory): these three are enough for it to read `config` there. */
function isGitFolder(entries: readonly Dirent[]): boolean {
  const names = new Set(entries.map((entry) => entry.name))
  return names.has('HEAD') && names.has('objects') && names.has('refs')
}
