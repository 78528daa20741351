import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { join, resolve } from 'node:path'
import { LARGEST_INDEX, parseGitIndex, type GitIndex } from './git-index.ts'
import { isWithin, linkTarget, statOf } from './paths.ts'
import { configOf, pointedTo, smallFile, type Survey } from './repositories.ts'

export interface Gitlinks {
  /** Folders that an index takes for repositories of their own. `git status` enters each, however deep. */
  readonly folders: readonly string[]
  /** Indexes that may name more folders than could be told. */
  readonly unread: readonly string[]
}

interface WorkTree {
  readonly folder: string
  readonly gitFolder: string
}

/** Bounds on what a workload can make us read. */
const MOST_INDEXES = 1000
const MOST_BYTES = 256 << 20

/**
 * Where the indexes of a project's repositories lead git to, and those of the repositories found thereby. git itself
 * is not asked: it runs what the configuration says that the workload wrote, also for `git ls-files`, which fetches
 * missing objects by `remote.NAME.uploadpack` to expand a sparse index.
 */
export function gitlinks(survey: Survey): Gitlinks {
  const folders = new Set<string>()
  const unread = new Set<string>()
  const trees = [
    ...survey.repositories.flatMap(({ gitFolder, workTree }) => treeOf(workTree, gitFolder)),
    ...survey.pointers.flatMap((pointer) => treeOf(join(pointer, '..'), gitFolderOf(pointer))),
    ...survey.links.flatMap((link) => treeOf(join(link, '..'), linkTarget(link))),
  ]
  let bytes = 0
  for (let at = 0; at < trees.length; at++) {
    const tree = trees[at]
    if (tree === undefined) break
    const path = join(tree.gitFolder, 'index')
    const size = statOf(path)?.size
    if (size === undefined) continue
    bytes += size
    const index = at < MOST_INDEXES && bytes <= MOST_BYTES ? readIndex(path, tree.gitFolder) : undefined
    const linked = index?.gitlinks.flatMap((name) => within(tree.folder, name)) ?? []
    if (index === undefined || !isAll(index, tree.folder)) unread.add(path)
    for (const folder of linked) {
      if (folders.has(folder)) continue
      folders.add(folder)
      if (statOf(join(folder, '.git')) !== undefined) trees.push(...treeOf(folder, gitFolderOf(join(folder, '.git'))))
    }
  }
  return { folders: [...folders], unread: [...unread] }
}

function treeOf(folder: string | undefined, gitFolder: string | undefined): readonly WorkTree[] {
  return folder === undefined || gitFolder === undefined ? [] : [{ folder, gitFolder }]
}

function gitFolderOf(path: string): string | undefined {
  return statOf(path)?.isFile() === true ? pointedTo(path) : linkTarget(path)
}

/** Undefined where it cannot be read for certain. */
function readIndex(path: string, gitFolder: string): GitIndex | undefined {
  const bytes = contentOf(path)
  return bytes && parseGitIndex(bytes, hashLengthOf(gitFolder))
}

/** The length of object names, which an index does not tell: they are SHA-1 unless the configuration says otherwise. */
function hashLengthOf(gitFolder: string): number {
  const common = smallFile(join(gitFolder, 'commondir'))?.trim() ?? '.'
  return configOf(resolve(gitFolder, common))?.objectFormat?.toLowerCase() === 'sha256' ? 32 : 20
}

function contentOf(path: string): Buffer | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  try {
    const stats = fstatSync(file)
    if (!stats.isFile() || stats.size > LARGEST_INDEX) return undefined
    const bytes = Buffer.alloc(stats.size)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, length)
    return length === bytes.length ? bytes : undefined
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}

/** git reads the entries of a sparse folder from objects as soon as it is there. */
function isAll({ gitlinks: names, sparse, complete }: GitIndex, folder: string): boolean {
  return (
    complete &&
    names.every((name) => isUtf8(name)) &&
    sparse.every((name) => isUtf8(name) && statOf(join(folder, name.toString())) === undefined)
  )
}

function within(folder: string, name: Buffer): readonly string[] {
  const path = join(folder, name.toString()).replace(/\/+$/, '')
  return path !== folder && isWithin(path, folder) ? [path] : []
}
