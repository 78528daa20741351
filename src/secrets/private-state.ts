import { CageError } from '../errors.ts'
import { checkPrivateFolder, isErrno, readOwnFile, UnsafePathError } from '../system/files.ts'

/** Whether a folder is there; when it is, only this user may enter it. Throws CageError `state_unusable` otherwise. */
export function isPrivateFolder(path: string): Promise<boolean> {
  return usable(path, async () => {
    const found = await unlessAbsent(checkPrivateFolder(path).then(() => true))
    return found ?? false
  })
}

/** A file that only this user can read; undefined when there is none. Throws CageError `state_unusable` otherwise. */
export function readPrivateFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  return usable(path, () => unlessAbsent(readOwnFile(path, { maxBytes, others: 'nothing' })))
}

/** Runs an operation on `path`; what makes it fail becomes a CageError `state_unusable` that says how to mend it. */
export async function usable<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (error instanceof UnsafePathError) {
      throw new CageError('state_unusable', error.message, { hint: error.mend, cause: error })
    }
    if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT'))
      throw new CageError('state_unusable', `${path} cannot be written: the disk is full`, {
        hint: 'Free some space on its file system (df -h), then try again.',
        cause: error,
      })
    if (error instanceof Error && 'code' in error) {
      throw new CageError('state_unusable', `cannot use ${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}

async function unlessAbsent<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
