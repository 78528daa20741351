import { realpath } from 'node:fs/promises'
import { delimiter, isAbsolute, resolve } from 'node:path'

/**
 * The folders that a workload sees. A value kept there is no secret from it, and a program that lies there may be the
 * workload's own: run outside, it would be a way out of the cage.
 */
export class Reach {
  readonly #folders: readonly string[]

  private constructor(folders: readonly string[]) {
    this.#folders = folders
  }

  static async of(folders: readonly string[]): Promise<Reach> {
    const named = folders.map((folder) => resolve(folder))
    return new Reach([...named, ...(await Promise.all(named.map(realOf)))])
  }

  /** Whether a path leads there, as it is written or as links have it. */
  async holds(path: string): Promise<boolean> {
    return [resolve(path), await realOf(path)].some((place) =>
      this.#folders.some((folder) => place === folder || folder === '/' || place.startsWith(`${folder}/`)),
    )
  }

  /** The folders of a `PATH` where programs may be looked for: absolute ones that the workload does not see. */
  async programFolders(path: string): Promise<readonly string[]> {
    const folders: string[] = []
    for (const folder of path.split(delimiter))
      if (isAbsolute(folder) && !(await this.holds(folder))) folders.push(folder)
    return folders
  }
}

/** What does not exist stands for itself: using it fails by itself. */
async function realOf(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path))
}
