import { CageError } from '../../../errors.ts'
import { isErrno } from '../../../system/files.ts'
import { printable } from '../../../system/printable.ts'
import { DiskLimitError } from './disk-error.ts'

/** Of the host as a whole: trying with the next file would not go better. */
const HOPELESS = ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE']

/**
 * Why something of a guest's cannot be taken over, where all else can. Throws `workload_failed` where the host can take no more,
 * and the error itself where it is neither about this file nor the host's.
 */
export function reasonToLeaveOut(path: string, error: unknown): string {
  if (error instanceof DiskLimitError) return error.message
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error
  const code = String(error.code)
  if (!HOPELESS.some((each) => isErrno(error, each))) return `the host refuses it (${code})`
  throw new CageError('workload_failed', `${printable(path)} cannot be taken over from the guest (${code})`, {
    hint: 'Make room in the project, or mend its disk; the guest’s disk is kept.',
    cause: error,
  })
}
