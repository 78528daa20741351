import { createHash } from 'node:crypto'
import { watch, type FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { readConfigBytes } from './file.ts'

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** The file's content is another than before, or the file is gone or back. Called once for each change, and not again before it is done. */
  readonly onChange: () => void | Promise<void>
}

/** Milliseconds to wait for more of the same change: editors write, rename and touch in quick succession. */
const DEBOUNCE = 50

/** The same after a rename, which puts a whole file there at once; or takes one away, for another that is still to be written. */
const RENAMED = 5

/** Milliseconds between looks at the file itself: network and overlay file systems report nothing. */
const POLL = 1000

/**
 * Watches a configuration file by content. The folder is watched, not the file: editors replace a file by renaming another
 * over it, and a watch on the file would stay with the old one. A file that is missing is a state like any other.
 * Resolves once every later change will be seen: load the configuration after that, or a change in between is missed.
 */
export async function watchConfig(path: string, options: WatchOptions): Promise<void> {
  const watched = new WatchedFile(path, options.onChange)
  await watched.begin()
  if (options.signal.aborted) return watched.end()
  options.signal.addEventListener('abort', () => watched.end(), { once: true })
}

class WatchedFile {
  readonly #path: string
  readonly #onChange: WatchOptions['onChange']
  #content: string | undefined
  #identity = ''
  #watcher: FSWatcher | undefined
  #debounce: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  /** One comparison after the other: a slow read must not bring back an older content. */
  #comparing: Promise<void> = Promise.resolve()
  #ended = false

  constructor(path: string, onChange: WatchOptions['onChange']) {
    this.#path = path
    this.#onChange = onChange
  }

  async begin(): Promise<void> {
    this.#content = await digestOf(this.#path)
    this.#watcher = this.#watchFolder()
    this.#identity = await identityOf(this.#path)
    this.#poll = setInterval(() => void this.#look(), POLL).unref()
    this.#settle()
  }

  end(): void {
    this.#ended = true
    this.#watcher?.close()
    clearTimeout(this.#debounce)
    clearInterval(this.#poll)
  }

  /** Undefined where the folder cannot be watched (it is missing, or inotify is exhausted): the polling remains. */
  #watchFolder(): FSWatcher | undefined {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (event, name) => {
        if (name === null || name === basename(this.#path)) this.#settle(event === 'rename' ? RENAMED : DEBOUNCE)
      })
      return watcher.on('error', () => watcher.close())
    } catch {
      return undefined
    }
  }

  async #look(): Promise<void> {
    const identity = await identityOf(this.#path)
    if (identity === this.#identity) return
    this.#identity = identity
    this.#settle()
  }

  #settle(after = DEBOUNCE): void {
    clearTimeout(this.#debounce)
    if (this.#ended) return
    this.#debounce = setTimeout(() => {
      this.#comparing = this.#comparing.then(() => this.#compare(after))
    }, after).unref()
  }

  async #compare(waited: number): Promise<void> {
    const content = await digestOf(this.#path)
    if (this.#ended || content === this.#content) return
    if (content === UNREADABLE && waited < DEBOUNCE) return this.#settle()
    this.#content = content
    await this.#onChange()
  }
}

/** What changes when the file does, without reading it. Symbolic links are followed: Kubernetes swaps the link's target. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch {
    return 'missing'
  }
}

const UNREADABLE = 'unreadable'

/** A digest of the content; `UNREADABLE` where there is none: an empty file is one that somebody has begun to write. */
async function digestOf(path: string): Promise<string> {
  try {
    const bytes = await readConfigBytes(path)
    return bytes.length === 0 ? UNREADABLE : createHash('sha256').update(bytes).digest('hex')
  } catch {
    return UNREADABLE
  }
}
