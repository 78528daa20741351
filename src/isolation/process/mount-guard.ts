import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { printable } from '../../system/printable.ts'
import { readGitConfig } from './git-config.ts'
import type { ExpectedMount } from './launch-mounts.ts'
import { MountView } from './mount-view.ts'
import { isWithin, statOf } from './paths.ts'
import { remount } from './remount.ts'
import { smallFile } from './repositories.ts'

export type MountGuard = Disposable

export interface GuardOptions {
  /** Path of the moat's. */
  readonly userNamespace: string
  readonly log: (message: string) => void
}

/**
 * Puts mounts back that the kernel has taken away. Whoever renames another file over a file, or removes it, detaches
 * what is mounted over it in every other mount namespace: from `git config` on the host on, the workload could write
 * `.git/config`. It takes some milliseconds, in which the workload can write or keep a descriptor; so git's
 * configuration is looked at afterwards, and what it runs is told.
 *
 * `pid`: a process of the cage, asked for now only.
 */
export function guardMounts(expected: readonly ExpectedMount[], pid: number, options: GuardOptions): MountGuard {
  return new Guard(expected.filter(isSelfBind).map(asGuarded), pid, options)
}

/** The same file or folder once more over what a writable mount around it shows. */
function isSelfBind({ mount }: ExpectedMount, _: number, all: readonly ExpectedMount[]): boolean {
  return all.some(
    ({ mount: outer }) =>
      mount.kind === 'bind' &&
      outer.kind === 'bind' &&
      outer.writable &&
      outer.target !== mount.target &&
      isWithin(mount.target, outer.target) &&
      join(outer.source, relative(outer.target, mount.target)) === mount.source,
  )
}

interface Guarded {
  /** What it is cannot be compared: it was replaced. */
  readonly expected: ExpectedMount
  /** On the host. */
  readonly path: string
  readonly writable: boolean
  /** What git's configuration made run at the start. */
  readonly commands: readonly string[]
}

function asGuarded({ mount, place }: ExpectedMount): Guarded {
  const [path, writable] = mount.kind === 'bind' ? [mount.source, mount.writable] : [mount.target, false]
  return { expected: { mount, place, source: undefined }, path, writable, commands: commandsIn(path) }
}

/** Milliseconds between looks without an event: some file systems report none. */
const POLL = 1000
/** Milliseconds between looks because of events: a workload can cause these, as by changing a folder's mode. */
const PAUSE = 20
/** A workload that fights for a path is not fought for ever. */
const MOST_ATTEMPTS = 5
const MOST_WARNINGS = 100

class Guard implements MountGuard {
  readonly #guarded: readonly Guarded[]
  readonly #options: GuardOptions
  readonly #view: MountView
  readonly #poll: NodeJS.Timeout
  readonly #attempts = new Map<string, number>()
  readonly #replaced = new Set<Guarded>()
  readonly #told = new Set<string>()
  #watchers: readonly FSWatcher[] = []
  #pause: NodeJS.Timeout | undefined
  #isLookDue = false
  #isMending = false
  #ended = false

  constructor(guarded: readonly Guarded[], pid: number, options: GuardOptions) {
    this.#guarded = guarded
    this.#options = options
    this.#view = new MountView(pid)
    this.#poll = setInterval(() => this.#look(), POLL).unref()
    this.#watch()
    this.#look()
  }

  [Symbol.dispose](): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#poll)
    clearTimeout(this.#pause)
    for (const watcher of this.#watchers) watcher.close()
    this.#view[Symbol.dispose]()
  }

  /** The folders: another file has come by the name of a watched one. They may themselves be others now. */
  #watch(): void {
    for (const watcher of this.#watchers) watcher.close()
    const folders = Map.groupBy(this.#guarded, ({ path }) => dirname(path))
    this.#watchers = [...folders].flatMap(([folder, inside]) =>
      this.#watchFolder(folder, new Set(inside.map(({ path }) => basename(path)))),
    )
  }

  /** None where a folder cannot be watched: the polling remains. */
  #watchFolder(folder: string, names: ReadonlySet<string>): readonly FSWatcher[] {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || names.has(name)) this.#onEvent()
      })
      return [watcher.on('error', () => watcher.close())]
    } catch {
      return []
    }
  }

  /** The first counts: every millisecond does. */
  #onEvent(): void {
    this.#isLookDue = true
    if (this.#pause !== undefined || this.#ended) return
    this.#isLookDue = false
    this.#look()
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      if (this.#isLookDue) this.#onEvent()
    }, PAUSE).unref()
  }

  #look(): void {
    if (this.#ended) return
    try {
      for (const guarded of this.#replaced) this.#tellCommands(guarded)
      const missing = this.#isMending ? [] : this.#missing()
      if (missing.length > 0) this.#mend(missing).catch((error: unknown) => this.#tellBlind(error))
    } catch (error) {
      this.#tellBlind(error)
    }
  }

  /** Such as for want of descriptors. The next look may do. */
  #tellBlind(error: unknown): void {
    this.#isMending = false
    this.#tell(
      `files that are replaced outside of the cage may not be protected (${String(error)}): replace none until the cage has ended`,
    )
  }

  /** Outer before inner. Nothing can lie over what is not there. */
  #missing(): readonly Guarded[] {
    const isOpen = ({ path }: Guarded): boolean =>
      (this.#attempts.get(path) ?? 0) < MOST_ATTEMPTS && statOf(path) !== undefined
    return this.#view.missing(this.#guarded).filter(isOpen)
  }

  async #mend(missing: readonly Guarded[]): Promise<void> {
    this.#isMending = true
    for (const guarded of missing) {
      const { expected, writable } = guarded
      const { userNamespace } = this.#options
      const problem = await remount(expected.place, { userNamespace, mountNamespace: this.#view.namespace, writable })
      if (this.#ended) return
      this.#replaced.add(guarded)
      this.#judge(guarded, problem)
    }
    this.#isMending = false
    this.#watch()
    this.#look() // What was replaced meanwhile.
  }

  /** Looks whether it lies there: a link that the workload made would have led the mount elsewhere in the cage. */
  #judge(guarded: Guarded, problem: string | undefined): void {
    const { path } = guarded
    if (this.#view.has(guarded)) {
      this.#attempts.delete(path)
      return this.#tellCommands(guarded)
    }
    const attempts = (this.#attempts.get(path) ?? 0) + 1
    this.#attempts.set(path, attempts)
    if (attempts < MOST_ATTEMPTS) return
    const why = problem ?? 'what lies there is a link, or the workload exchanges it'
    this.#tell(
      `${path} was replaced outside of the cage and is NOT protected any more (${why}): the workload may write it. End the cage, and look at it before you use it`,
    )
  }

  #tellCommands({ path, commands }: Guarded): void {
    const [added] = commandsIn(path).filter((command) => !commands.includes(command))
    if (added === undefined) return
    this.#tell(
      `${path} was replaced while the cage runs, and makes git run ${added.slice(0, 300)}; look at it before you use git there`,
    )
  }

  /** Once. */
  #tell(text: string): void {
    if (this.#told.has(text) || this.#told.size === MOST_WARNINGS) return
    this.#told.add(text)
    this.#options.log(`warning: ${printable(text)}`)
  }
}

function commandsIn(path: string): readonly string[] {
  if (!/^config(?:\.worktree)?$/.test(basename(path))) return []
  return readGitConfig(smallFile(path) ?? '', path).commands
}
