import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { CageError } from '../../errors.ts'
import { isErrno } from '../../system/files.ts'
import { statOf } from './paths.ts'

/**
 * Something empty (or harmless) that is put on the host where nothing is, so that a mount can lie over it and the
 * workload cannot create it. It is removed afterwards.
 *
 * A stand-in is recognised by a modification time that nothing else has and by being unchanged: no list of them is
 * kept, so one left by a killed run is taken over and removed by the next.
 */
export type StandIn =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly content: string }

/** 2001-09-09T01:46:47Z, in seconds. */
const MARK = 1_000_000_007

/** Whether a path holds nothing, or only what an earlier run put there. */
export function isFree(standIn: StandIn): boolean {
  return statOf(standIn.path) === undefined || isUntouched(standIn)
}

/**
 * Puts the stand-ins there; disposing removes those that are still as they were made and that no other cage uses.
 * Throws `mount_refused` where the project cannot be written.
 */
export function placeStandIns(standIns: readonly StandIn[]): Disposable {
  const placed: StandIn[] = []
  const remove = (): void => removeStandIns(placed)
  try {
    placeAll(standIns, placed)
    // What was made in one of them has changed its time.
    mark(placed)
  } catch (error) {
    // What is not marked is taken for somebody else's, and would stay.
    mark(placed.filter(({ path }) => statOf(path) !== undefined))
    remove()
    throw refusalOf(error) ?? error
  }
  return { [Symbol.dispose]: remove }
}

/** How often others may take away in one moment what was placed the moment before. */
const MOST_ATTEMPTS = 100

function placeAll(standIns: readonly StandIn[], placed: StandIn[]): void {
  for (let attempt = 1; ; attempt++) {
    try {
      for (const standIn of standIns) {
        const isOurs = isUntouched(standIn) || place(standIn)
        if (isOurs && !placed.includes(standIn)) placed.push(standIn)
      }
      return
    } catch (error) {
      // The folder it lies in was the stand-in of another cage, which has ended.
      if (attempt === MOST_ATTEMPTS || !isErrno(error, 'ENOENT')) throw error
    }
  }
}

function mark(placed: readonly StandIn[]): void {
  for (const { path } of placed.toReversed()) unlessGone(() => utimesSync(path, MARK, MARK))
}

/** Another cage in the same project takes its stand-ins away at any moment: undefined for what is no longer there. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined
    throw error
  }
}

function refusalOf(error: unknown): CageError | undefined {
  const code = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].find((candidate) => isErrno(error, candidate))
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined
  if (code === undefined || path === undefined) return undefined
  return new CageError('mount_refused', `${path} cannot be kept from the workload: it cannot be made (${code})`, {
    hint: 'The project has to be writable for you: work in a copy of it, or name another with --project DIR.',
    cause: error,
  })
}

/** False when something else came first: then that is what gets protected, and it stays. */
function place(standIn: StandIn): boolean {
  try {
    if (standIn.kind === 'directory') mkdirSync(standIn.path, { mode: 0o755 })
    else writeFileSync(standIn.path, standIn.content, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
  return true
}

function removeStandIns(placed: readonly StandIn[]): void {
  if (placed.length === 0) return
  const used = mountPointsElsewhere()
  for (const standIn of placed.toReversed()) {
    if (used.has(standIn.path) || !isUntouched(standIn)) continue
    const above = placed.find(({ path }) => path === dirname(standIn.path))
    const isAboveOurs = above !== undefined && isMarked(above.path)
    removeOne(standIn)
    if (isAboveOurs) mark([above])
  }
}

/** Somebody may have removed it, or put something into it, in this very moment: both are fine. */
function removeOne(standIn: StandIn): void {
  try {
    if (standIn.kind === 'directory') rmdirSync(standIn.path)
    else unlinkSync(standIn.path)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EACCES', 'EROFS'].some((code) => isErrno(error, code))) throw error
  }
}

function isUntouched(standIn: StandIn): boolean {
  const stats = statOf(standIn.path)
  if (stats === undefined || !isMarked(standIn.path)) return false
  if (standIn.kind === 'directory')
    return stats.isDirectory() && unlessGone(() => readdirSync(standIn.path))?.length === 0
  return (
    stats.isFile() &&
    stats.size === Buffer.byteLength(standIn.content) &&
    unlessGone(() => readFileSync(standIn.path, 'utf8')) === standIn.content
  )
}

function isMarked(path: string): boolean {
  return statOf(path)?.mtimeMs === MARK * 1000
}

/**
 * Where other mount namespaces that we may look into have mounts. Removing a file or folder takes the mounts over it
 * away in every namespace: another cage at work in the same project would lose its protection.
 */
function mountPointsElsewhere(): ReadonlySet<string> {
  const points = new Set<string>()
  const namespaces = new Set<string>([readlinkSync('/proc/self/ns/mnt')])
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const namespace = readlinkSync(`/proc/${name}/ns/mnt`)
      if (namespaces.has(namespace)) continue
      const lines = readFileSync(`/proc/${name}/mountinfo`, 'utf8').split('\n')
      if (lines.length > 1) namespaces.add(namespace)
      for (const line of lines) points.add(unescape(line.split(' ')[4] ?? ''))
    } catch {
      // The process ended, or belongs to somebody else.
    }
  }
  return points
}

/** Blanks, newlines and backslashes are octal in mountinfo (proc(5)). */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
