import { watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** How long a change can go unnoticed where the system does not tell of it (network file systems, no watches left). */
const POLL_MILLISECONDS = 500

/** Tells that something happened to a file or to its name: it watches the folder, since a rename replaces the file. */
export class ChangeWatch {
  #watcher: FSWatcher | undefined
  #news = Promise.withResolvers<void>()

  constructor(path: string) {
    try {
      this.#watcher = watch(dirname(path), () => this.#news.resolve())
      this.#watcher.on('error', () => this.close())
    } catch {
      // No inotify watch to be had (ENOSPC, EMFILE): polling alone is slower and just as right.
      this.#watcher = undefined
    }
  }

  /** Returns after a change that came since the last call, after a while without one, or when `signal` aborts. */
  async wait(signal: AbortSignal | undefined): Promise<void> {
    const timer = new AbortController()
    const limits = signal === undefined ? timer.signal : AbortSignal.any([signal, timer.signal])
    await Promise.race([
      this.#news.promise,
      setTimeout(POLL_MILLISECONDS, undefined, { signal: limits }).catch(() => {}),
    ])
    timer.abort()
    this.#news = Promise.withResolvers<void>()
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }
}
