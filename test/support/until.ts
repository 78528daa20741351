import { once } from 'node:events'
import { watch } from 'node:fs'

/** What `look` finds, tried again whenever the file changes. */
export async function until<T>(path: string, look: () => Promise<T | undefined>): Promise<T> {
  const watcher = watch(path)
  try {
    for (;;) {
      const changed = once(watcher, 'change')
      const found = await look()
      changed.catch(() => {})
      if (found !== undefined) return found
      await changed
    }
  } finally {
    watcher.close()
  }
}
