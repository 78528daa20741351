import { statSync, watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'

/** Milliseconds to wait for more of the same change: programs write, rename and touch in quick succession. */
const DEBOUNCE = 50

/** Milliseconds between looks at the files themselves: network and overlay file systems report nothing. */
const POLL = 1000

/**
 * Tells which of some files have changed: written, replaced, removed, made, or reached through another link. Their folders
 * are watched, not the files, since a rename puts another file in the place of one; a folder may be missing. Files are
 * looked at by their status only. It keeps no process alive.
 */
export class FileWatch implements Disposable {
  readonly #onChange: (paths: ReadonlySet<string>) => void
  /** What each file looked like last. */
  #seen = new Map<string, string>()
  #folders = new Map<string, FSWatcher | undefined>()
  #debounce: NodeJS.Timeout | undefined
  readonly #poll: NodeJS.Timeout
  #ended = false

  /** `onChange` is called with the files that have changed since it was called last. */
  constructor(onChange: (paths: ReadonlySet<string>) => void) {
    this.#onChange = onChange
    this.#poll = setInterval(() => this.#look(), POLL).unref()
  }

  /**
   * Watches these files in the place of those before. What is read after this call is read in time: every later change
   * is told. Of a file that was watched before, no change is missed.
   */
  follow(paths: Iterable<string>): void {
    if (this.#ended) return
    const wanted = new Set(paths)
    this.#watchFolders(new Set([...wanted].map((path) => dirname(path))))
    this.#seen = new Map([...wanted].map((path) => [path, this.#seen.get(path) ?? identityOf(path)]))
  }

  [Symbol.dispose](): void {
    this.#ended = true
    clearTimeout(this.#debounce)
    clearInterval(this.#poll)
    for (const watcher of this.#folders.values()) watcher?.close()
  }

  #watchFolders(wanted: ReadonlySet<string>): void {
    for (const [folder, watcher] of this.#folders) if (!wanted.has(folder)) watcher?.close()
    this.#folders = new Map(
      [...wanted].map((folder) => [folder, this.#folders.get(folder) ?? this.#watchFolder(folder)]),
    )
  }

  /** Undefined where a folder cannot be watched (it is missing, or inotify is exhausted): the polling remains. */
  #watchFolder(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#settle())
      return watcher.on('error', () => watcher.close())
    } catch {
      return undefined
    }
  }

  #settle(): void {
    clearTimeout(this.#debounce)
    if (!this.#ended) this.#debounce = setTimeout(() => this.#look(), DEBOUNCE).unref()
  }

  #look(): void {
    const changed = new Set<string>()
    for (const [path, before] of this.#seen) {
      const now = identityOf(path)
      if (now === before) continue
      this.#seen.set(path, now)
      changed.add(path)
    }
    if (changed.size > 0 && !this.#ended) this.#onChange(changed)
  }
}

/** What changes when the file does, without reading it. Symbolic links are followed: Kubernetes swaps a link's target. */
function identityOf(path: string): string {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats === undefined) return 'missing'
    const { dev, ino, mode, uid, size, mtimeNs, ctimeNs } = stats
    return `${dev} ${ino} ${mode} ${uid} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
