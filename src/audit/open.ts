import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import { CageError } from '../errors.ts'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants

/**
 * Makes the folder of a log, 0700, unless it is there. Refuses one in which others could replace the log, and one in which
 * something else already has the log's name.
 */
export function preparePlace(file: string): void {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { mode, uid } = statSync(folder)
  if (uid !== ownUser() && uid !== 0) throw refusal(folder, 'belongs to another user')
  const sticky = (mode & constants.S_IFMT) === constants.S_IFDIR && (mode & 0o1000) !== 0
  if ((mode & 0o022) !== 0 && !sticky) {
    throw refusal(folder, 'can be written by others, who could replace the log', `chmod go-w '${folder}'`)
  }
  const stats = lstatSync(file, { throwIfNoEntry: false })
  const problem = stats === undefined ? undefined : fileProblem(stats)
  if (problem !== undefined) throw refusal(file, problem)
}

/** Opens a log for appending. Call `preparePlace` before: opening a device or a FIFO can already have an effect. */
export function openLog(file: string): number {
  return openOwn(file, O_RDWR | O_APPEND)
}

/**
 * Opens a file of the log's, 0600, made unless it is there. Refuses a symbolic link, whatever is no regular file, a file
 * of another user, and one with a second name, through which something else would be written (CWE-59).
 */
export function openOwn(file: string, flags: number): number {
  const fd = openSync(file, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    const stats = fstatSync(fd)
    const problem = fileProblem(stats)
    if (problem !== undefined) throw refusal(file, problem)
    if ((stats.mode & 0o077) !== 0) fchmodSync(fd, 0o600)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function fileProblem(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return 'is a symbolic link'
  if (!stats.isFile()) return 'is not a regular file'
  if (stats.uid !== ownUser()) return 'belongs to another user'
  return stats.nlink > 1 ? 'has more than one name (hard link)' : undefined
}

function ownUser(): number | undefined {
  return process.geteuid?.()
}

function refusal(path: string, problem: string, mend?: string): CageError {
  const hint = mend ?? 'Name another file for the audit log, or move this one away.'
  return new CageError('audit_unusable', `audit log: ${path} ${problem}`, { hint })
}
