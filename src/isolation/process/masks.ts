import { lstatSync, readdirSync, type Dirent, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Mount } from '../isolation.ts'
import { isWithin, realPath, statOf } from './paths.ts'

/** Hidden whatever their permissions: keys, password hashes, and settings that often hold either. */
const ALWAYS = [
  '/etc/NetworkManager',
  '/etc/crypttab',
  '/etc/docker',
  '/etc/fstab',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/krb5.keytab',
  '/etc/kubernetes',
  '/etc/letsencrypt',
  '/etc/openvpn',
  '/etc/pki/tls/private',
  '/etc/rancher',
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/ssh',
  '/etc/ssl/private',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/wireguard',
  '/etc/wpa_supplicant',
]

/** How far each tree is searched. Where /etc is larger, what was not searched is hidden; programs elsewhere stay. */
const SEARCHED = [
  { root: '/etc', depth: 12, entries: 20_000, hideRest: true },
  { root: '/opt', depth: 1, entries: 5_000, hideRest: false },
  { root: '/usr/local', depth: 1, entries: 5_000, hideRest: false },
  { root: '/usr/local/etc', depth: 8, entries: 5_000, hideRest: true },
] as const

/**
 * Masks over everything in the shown trees that not every user may read, over sockets (a service of the host may
 * listen on one) and over agentcage's own folders. Permissions alone are no protection: root stays user 0 inside, and
 * supplementary groups stay too.
 */
export function findMasks(trees: readonly string[], ownFolders: readonly string[]): readonly Mount[] {
  const isInTree = (path: string): boolean => trees.some((tree) => isWithin(path, tree))
  const named = [...ALWAYS.map((path) => realPath(path) ?? path), ...ownFolders].filter(isInTree).flatMap(maskOf)
  const found = SEARCHED.filter(({ root }) => isInTree(root)).flatMap(findPrivate)
  return outermost([...named, ...found])
}

type Mask = Extract<Mount, { readonly kind: 'mask' }>

function maskOf(path: string): readonly Mask[] {
  const stats = statOf(path)
  return stats === undefined ? [] : [mask(path, stats)]
}

function mask(path: string, stats: Stats): Mask {
  return { kind: 'mask', target: path, over: stats.isDirectory() ? 'directory' : 'file' }
}

/** Breadth first, so that a bound that is hit leaves out the deepest. Symbolic links are judged where they lead. */
function findPrivate({ root, depth, entries, hideRest }: (typeof SEARCHED)[number]): readonly Mask[] {
  const masks: Mask[] = []
  let level: readonly string[] = statOf(root)?.isDirectory() === true ? [root] : []
  let seen = 0
  for (let remaining = depth; level.length > 0; remaining--) {
    const next: string[] = []
    for (const folder of level) {
      const inside = remaining < 0 || seen > entries ? undefined : entriesOf(folder)
      if (inside === undefined) {
        if (hideRest) masks.push({ kind: 'mask', target: folder, over: 'directory' })
        continue
      }
      seen += inside.length
      for (const entry of inside) {
        const path = join(folder, entry.name)
        if (entry.isSymbolicLink() || isPasswordLock(path)) continue
        const stats = lstatSync(path, { throwIfNoEntry: false })
        if (stats === undefined) continue
        if (isPrivate(stats)) masks.push(mask(path, stats))
        else if (stats.isDirectory()) next.push(path)
      }
    }
    level = next
  }
  return masks
}

function entriesOf(folder: string): readonly Dirent[] | undefined {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return undefined
  }
}

/**
 * What tools that edit accounts keep for a moment: it holds a process id. It would be gone when the mask is laid over it,
 * and the cage could not be made.
 */
function isPasswordLock(path: string): boolean {
  return /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)\.(?:lock|\d+)$/.test(path)
}

function isPrivate(stats: Stats): boolean {
  if (stats.isSocket() || stats.isFIFO()) return true
  return stats.isDirectory() ? (stats.mode & 0o005) !== 0o005 : (stats.mode & 0o004) === 0
}

/** A mask below another could not be mounted: its path is gone by then. */
function outermost(masks: readonly Mask[]): readonly Mask[] {
  const kept = new Map<string, Mask>()
  for (const candidate of masks.toSorted((a, b) => a.target.length - b.target.length)) {
    if (!hasAncestor(kept, candidate.target)) kept.set(candidate.target, candidate)
  }
  return [...kept.values()]
}

function hasAncestor(kept: ReadonlyMap<string, Mask>, path: string): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (kept.has(path.slice(0, end))) return true
  }
  return false
}
