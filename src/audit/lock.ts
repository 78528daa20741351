import { CageError } from '../errors.ts'
import { FileInUseError, lockFile, LockUnusableError, type FileLock } from '../system/file-lock.ts'

/** Takes the lock of a log. Throws `audit_in_use` naming the process that writes it. */
export function lockLog(file: string): FileLock {
  try {
    return lockFile(file)
  } catch (error) {
    if (error instanceof FileInUseError) throw inUse(file, error)
    if (!(error instanceof LockUnusableError)) throw error
    throw new CageError('audit_unusable', `audit log ${file}: ${error.message}`, { hint: error.mend, cause: error })
  }
}

function inUse(file: string, cause: FileInUseError): CageError {
  const { holder, lock } = cause
  const who = holder.foreign ? `process ${holder.pid} of another container` : `process ${holder.pid}`
  return new CageError('audit_in_use', `audit log ${file} is being written by ${who}`, {
    hint: `Each cage writes a log of its own: end that process, or name another file (lock: ${lock}).`,
    cause,
  })
}
