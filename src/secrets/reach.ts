import { readlink, realpath } from 'node:fs/promises'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'

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

/** Links to follow before giving up, as the kernel does. */
const MAX_LINKS = 40

/** Where a path leads, also when nothing is there yet: a workload could make it at any moment. */
async function realOf(path: string, links = 0): Promise<string> {
  const absolute = resolve(path)
  const real = await realpath(absolute).catch(() => undefined)
  if (real !== undefined || absolute === '/') return real ?? absolute
  const parent = await realOf(dirname(absolute), links)
  const named = join(parent, basename(absolute))
  const target = await readlink(named).catch(() => undefined)
  return target === undefined || links >= MAX_LINKS ? named : realOf(resolve(parent, target), links + 1)
}
