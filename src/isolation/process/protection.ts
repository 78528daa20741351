import { basename, dirname, join, resolve } from 'node:path'
import { printable } from '../../system/printable.ts'
import { CageError } from '../../errors.ts'
import type { Mount } from '../isolation.ts'
import { expandHome } from './git-config.ts'
import { foldersBetween, isWithin, realPath, statOf } from './paths.ts'
import { configOf, entriesOf, linkedWorkTree, submodulesOf, type Repository, type Survey } from './repositories.ts'
import { isFree, type StandIn } from './stand-ins.ts'
import { OTHER_REPOSITORIES, PACKAGE_TOOLS, TOOLS, WHERE_PRESENT } from './tool-settings.ts'

/**
 * Keeps the workload from leaving something in the project that runs later, outside the cage: hooks and settings
 * of git, of editors, of agents, of the shell.
 *
 * - What exists is bound onto itself, read-only.
 * - What is absent gets a stand-in on the host, so that there is something to mount over.
 * - A mount point cannot be renamed or removed, but a folder above it can (`mv .git x; mkdir .git`): so every folder
 *   between the project and what is protected is bound onto itself too, and is a mount point thereby.
 */
export interface Protection {
  readonly mounts: readonly Mount[]
  readonly standIns: readonly StandIn[]
  readonly warnings: readonly string[]
}

export function protectProject(
  project: string,
  { survey, settings }: { readonly survey: Survey; readonly settings: readonly string[] },
): Protection {
  const plan = new Plan(project)
  for (const link of survey.links) throw linkRefused(link)
  for (const repository of survey.repositories) protectRepository(plan, repository)
  for (const pointer of survey.pointers) protectPointer(plan, pointer)
  protectTools(plan)
  for (const path of settings) protectOwnSettings(plan, path)
  for (const socket of survey.sockets) plan.hide(socket)
  if (!survey.complete)
    plan.warn(
      `${project} cannot be searched whole (too many folders, or names that are not UTF-8): not all git repositories in it are protected`,
    )
  return plan
}

/** Mounts in an order that works: outer before inner. */
class Plan implements Protection {
  readonly project: string
  /** The project, and git folders outside it that are shown. */
  readonly #roots: string[]
  readonly #pinned = new Set<string>()
  readonly #protected = new Map<string, Mount>()
  readonly #standIns: StandIn[] = []
  readonly #warnings: string[] = []

  constructor(project: string) {
    this.project = project
    this.#roots = [project]
  }

  get mounts(): readonly Mount[] {
    const pins = [...this.#pinned].filter((path) => !this.#protected.has(path)).map((path) => bind(path, true))
    const inner = [...this.#protected.values()].filter(({ target }) => !this.#isCovered(dirname(target)))
    return [...pins, ...inner].toSorted((a, b) => a.target.split('/').length - b.target.split('/').length)
  }

  get standIns(): readonly StandIn[] {
    return this.#standIns
  }

  get warnings(): readonly string[] {
    return this.#warnings
  }

  /** Shows a folder outside the project, writable. */
  addRoot(folder: string): void {
    this.#roots.push(folder)
    this.#pinned.add(folder)
  }

  /** Makes mount points of the folder and of all between it and the root it lies in. */
  pin(folder: string): void {
    const root = this.#roots.find((candidate) => isWithin(folder, candidate))
    if (root === undefined) throw new TypeError(`${folder} is not shown`)
    for (const path of foldersBetween(root, folder)) this.#pinned.add(path)
  }

  protect(path: string): void {
    this.pin(dirname(path))
    this.#protected.set(path, bind(path, false))
  }

  protectOrStandIn(standIn: StandIn): void {
    if (isFree(standIn)) this.#standIns.push(standIn)
    this.protect(standIn.path)
  }

  hide(path: string): void {
    this.pin(dirname(path))
    this.#protected.set(path, { kind: 'mask', target: path, over: 'file' })
  }

  warn(text: string): void {
    this.#warnings.push(printable(text))
  }

  /** A mount below something read-only already would add nothing. */
  #isCovered(folder: string): boolean {
    const root = this.#roots.find((candidate) => isWithin(folder, candidate)) ?? folder
    return foldersBetween(root, folder).some((path) => this.#protected.has(path))
  }
}

function bind(path: string, writable: boolean): Mount {
  return { kind: 'bind', source: path, target: path, writable }
}

function protectRepository(plan: Plan, { gitFolder, workTree }: Repository): void {
  plan.pin(gitFolder)
  for (const name of ['config', 'hooks', 'commondir', 'config.worktree', LAZYGIT]) refuseLink(join(gitFolder, name))
  plan.protectOrStandIn({ kind: 'directory', path: join(gitFolder, 'hooks') })
  plan.protectOrStandIn({ kind: 'file', path: join(gitFolder, 'config'), content: '' })
  // git reads config and hooks from the folder that `commondir` names, so its absence needs protection as well.
  // "." says what its absence says; an empty one would be an error.
  plan.protectOrStandIn({ kind: 'file', path: join(gitFolder, 'commondir'), content: '.\n' })
  protectLinkedFolders(plan, gitFolder)
  const config = configOf(gitFolder)
  const worktreeConfig = join(gitFolder, 'config.worktree')
  if (config?.worktreeConfig === true) plan.protectOrStandIn({ kind: 'file', path: worktreeConfig, content: '' })
  else if (statOf(worktreeConfig) !== undefined) plan.protect(worktreeConfig)
  if (statOf(join(gitFolder, LAZYGIT)) !== undefined) plan.protect(join(gitFolder, LAZYGIT))
  for (const path of config?.includes ?? []) protectElsewhere(plan, path)
  if (config?.hooksPath !== undefined && workTree !== undefined) {
    const folder = resolve(workTree, expandHome(config.hooksPath))
    if (statOf(folder) === undefined && isWithin(folder, plan.project)) standInForMissing(plan, folder)
    else protectElsewhere(plan, folder)
    protectHookTargets(plan, folder)
  }
  protectHookTargets(plan, join(gitFolder, 'hooks'))
}

/** Settings of lazygit, which names programs to show differences with. */
const LAZYGIT = 'lazygit.yml'

/** Folders of linked work trees (`git worktree add`), whose own `commondir` could lead elsewhere. */
function protectLinkedFolders(plan: Plan, gitFolder: string): void {
  for (const entry of entriesOf(join(gitFolder, 'worktrees'))) {
    if (!entry.isDirectory()) continue
    const folder = join(gitFolder, 'worktrees', entry.name)
    plan.pin(folder)
    for (const name of ['commondir', 'gitdir', 'config.worktree']) {
      refuseLink(join(folder, name))
      if (statOf(join(folder, name)) !== undefined) plan.protect(join(folder, name))
    }
  }
}

/** A file or folder of the project that git takes code or settings from; elsewhere the workload cannot reach it. */
function protectElsewhere(plan: Plan, path: string): void {
  const real = realPath(path)
  if (real !== undefined && real !== plan.project && isWithin(real, plan.project)) plan.protect(real)
}

/** A folder that git looks into although it is not there, such as that of hooks which are generated. */
function standInForMissing(plan: Plan, folder: string): void {
  const missing = foldersBetween(plan.project, folder).find((path) => statOf(path) === undefined)
  if (missing !== undefined && realPath(dirname(missing)) === dirname(missing))
    plan.protectOrStandIn({ kind: 'directory', path: missing })
}

/** Hooks that are links to scripts of the project. */
function protectHookTargets(plan: Plan, hooks: string): void {
  for (const entry of entriesOf(hooks)) {
    if (entry.isSymbolicLink()) protectElsewhere(plan, join(hooks, entry.name))
  }
}

function protectPointer(plan: Plan, pointer: string): void {
  plan.protect(pointer)
  if (dirname(pointer) !== plan.project) return
  const linked = linkedWorkTree(pointer)
  if (linked === undefined) {
    plan.warn(`${pointer} points to a git folder outside the project that is not shown: git will not work in the cage`)
    return
  }
  plan.addRoot(linked.common)
  for (const repository of [{ gitFolder: linked.common, workTree: plan.project }, ...submodulesOf(linked.common)]) {
    protectRepository(plan, repository)
  }
}

function protectTools(plan: Plan): void {
  const exists = (name: string): boolean => statOf(join(plan.project, name)) !== undefined
  for (const name of TOOLS) protectSettings(plan, standInFor(plan, name, 'directory'))
  for (const { name, beside, kind } of PACKAGE_TOOLS) {
    if (exists(name) || exists(beside)) protectSettings(plan, standInFor(plan, name, kind))
  }
  for (const name of WHERE_PRESENT.filter(exists)) protectSettings(plan, standInFor(plan, name, 'file'))
  for (const [folder, files] of Object.entries(OTHER_REPOSITORIES)) protectOther(plan, folder, files)
}

/** A repository of another kind than git's, in the top folder. */
function protectOther(plan: Plan, folder: string, files: readonly string[]): void {
  for (const file of files) {
    const standIn = standInFor(plan, join(folder, file), 'file')
    const above = foldersBetween(plan.project, dirname(standIn.path))
    const link = above.find((path) => statOf(path)?.isSymbolicLink() === true)
    if (link !== undefined)
      plan.warn(`${link} is a symbolic link: the workload could replace it by something of its own`)
    else if (above.every((path) => statOf(path)?.isDirectory() === true)) protectSettings(plan, standIn)
  }
}

/** The cage's configuration, where it lies in the project: who can write it, decides what the cage allows. */
function protectOwnSettings(plan: Plan, path: string): void {
  for (const part of foldersBetween(plan.project, path)) refuseLink(part)
  const real = realPath(path)
  if (real !== undefined && isWithin(real, plan.project)) plan.protect(real)
}

function standInFor(plan: Plan, name: string, kind: 'directory' | 'file'): StandIn {
  const path = join(plan.project, name)
  return kind === 'directory' ? { kind, path } : { kind, path, content: '' }
}

function protectSettings(plan: Plan, standIn: StandIn): void {
  if (statOf(standIn.path)?.isSymbolicLink() !== true) return plan.protectOrStandIn(standIn)
  protectElsewhere(plan, standIn.path)
  plan.warn(`${standIn.path} is a symbolic link: the workload could replace it by something of its own`)
}

/** Mounts follow links, so a link itself cannot be protected: it could be replaced by a folder of the workload's. */
function refuseLink(path: string): void {
  if (statOf(path)?.isSymbolicLink() === true) throw linkRefused(path)
}

function linkRefused(path: string): CageError {
  return new CageError('mount_refused', `${path} is a symbolic link, which cannot be protected from the workload`, {
    hint:
      basename(path) === 'hooks'
        ? 'Remove it and name the folder with `git config core.hooksPath`.'
        : 'Replace it by what it leads to.',
  })
}
