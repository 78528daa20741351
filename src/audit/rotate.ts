import { closeSync, constants, fstatSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { CageError } from '../errors.ts'
import { openLog } from './open.ts'
import { nextRotated, rotatedFiles } from './rotated.ts'
import { recoverTail, type Tail } from './tail.ts'

/**
 * Puts the log aside and yields an empty one in its place. What is there is on the disk before: a crash at any step leaves
 * either the old log, or the old one under its new name, from whose end `endOfChain` goes on. Throws before anything is
 * changed, but for the last step.
 */
export function rotateLog(fd: number, file: string): number {
  fsyncSync(fd)
  const draft = `${file}.next`
  rmSync(draft, { force: true })
  const next = openLog(draft)
  try {
    renameSync(file, nextRotated(file))
    renameSync(draft, file)
  } catch (error) {
    closeSync(next)
    throw error
  }
  syncFolder(dirname(file))
  return next
}

/** Where the chain of a log goes on: its own end, or, as long as it is empty, that of the one before. */
export function endOfChain(fd: number, file: string): Tail {
  const tail = recoverTail(fd, file)
  const before = rotatedFiles(file).at(-1)
  if (tail.length > 0 || before === undefined) return tail
  const older = openSync(before, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const { length, prev, last } = recoverTail(older, before, { repair: false })
    // It was whole and on the disk before it got its name.
    if (length !== fstatSync(older).size) throw damaged(before)
    return { ...tail, prev, last }
  } finally {
    closeSync(older)
  }
}

function damaged(file: string): CageError {
  return new CageError('audit_unusable', `audit log ${file}: its last line is no record`, {
    hint: 'Somebody changed it. Keep it as evidence, elsewhere; a new log begins without it.',
  })
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
