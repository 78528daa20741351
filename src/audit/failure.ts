import { CageError } from '../errors.ts'
import { errnoWords } from '../system/errno-words.ts'

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
  return errnoWords(codeOf(error) ?? '') ?? (error instanceof Error ? error.message : String(error))
}

/** `ENOENT` and the like; undefined for what no system call gave. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
