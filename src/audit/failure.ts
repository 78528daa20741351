import { CageError } from '../errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  EFBIG: 'the file is as large as it may become (EFBIG)',
  ENOENT: 'there is no such file (ENOENT)',
  ENOSPC: 'no space left on the device (ENOSPC)',
  EPERM: 'not permitted (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
}

/** Runs `action`; what the system refuses becomes an `audit_unusable` that begins with `what`. */
export function explained<T>(what: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof CageError || codeOf(error) === undefined) throw error
    throw new CageError('audit_unusable', `${what}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Why a system call failed, in words. */
export function reasonOf(error: unknown): string {
  const reason = REASONS[codeOf(error) ?? '']
  return reason ?? (error instanceof Error ? error.message : String(error))
}

/** `ENOENT` and the like; undefined for what no system call gave. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
