import { lstatSync, readlinkSync, realpathSync, type Stats } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** Whether `path` is `folder` or lies below it. Both absolute and normalised; symbolic links are not followed. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`)
}

/** What lies at `path` itself, or undefined where nothing does or it cannot be told. */
export function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

/** The path without symbolic links, or undefined where nothing is. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

/**
 * Where a path ends up after every symbolic link, also when the last link dangles: `/etc/resolv.conf` often points
 * into a `/run` that the cage replaces, and a mount must go to where the link leads.
 */
export function linkTarget(path: string): string {
  let current = path
  for (let hops = 0; hops < 40; hops++) {
    const real = realPath(current)
    if (real !== undefined) return real
    const parent = linkTargetOfFolder(dirname(current))
    current = join(parent, basename(current))
    if (statOf(current)?.isSymbolicLink() !== true) return current
    current = resolve(parent, readlinkSync(current))
  }
  return current
}

/** The symbolic links that the way to an absolute path passes, each without links in its folder. */
export function linksAlong(path: string): readonly string[] {
  const links: string[] = []
  let at = '/'
  for (let names = path.split('/'); names.length > 0 && links.length < 40;) {
    const [name = '', ...rest] = names
    const next = join(at, name)
    if (statOf(next)?.isSymbolicLink() === true) {
      links.push(next)
      const target = readlinkSync(next)
      if (target.startsWith('/')) at = '/'
      names = [...target.split('/'), ...rest]
    } else {
      at = next
      names = rest
    }
  }
  return links
}

/** The folders from below `from` down to `to`, outermost first; `to` included, `from` not. */
export function foldersBetween(from: string, to: string): readonly string[] {
  const folders: string[] = []
  for (let folder = to; folder !== from && isWithin(folder, from); folder = dirname(folder)) folders.unshift(folder)
  return folders
}

function linkTargetOfFolder(folder: string): string {
  const real = realPath(folder)
  if (real !== undefined || folder === '/') return real ?? folder
  return join(linkTargetOfFolder(dirname(folder)), basename(folder))
}
