import { access, constants } from 'node:fs/promises'
import { CageError } from '../errors.ts'
import { ensurePrivateFolder, UnsafePathError } from '../system/files.ts'

/** Makes or checks the folder of a cage's state. Throws `state_unusable` with the reason and, where there is one, the mend. */
export async function openStateFolder(path: string): Promise<string> {
  // With a final slash a symbolic link would be followed, and what it leads to be checked.
  const folder = path.replace(/(?<=.)\/+$/, '')
  try {
    await ensurePrivateFolder(folder)
  } catch (error) {
    if (error instanceof UnsafePathError)
      throw new CageError('state_unusable', error.message, { hint: error.mend, cause: error })
    throw unusable(`state folder ${folder} cannot be made`, error)
  }
  try {
    await access(folder, constants.W_OK)
    return folder
  } catch (error) {
    throw unusable(`state folder ${folder} cannot be written`, error)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'the folder above takes no others',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a file is in the way',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
}

function unusable(problem: string, error: unknown): CageError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  const reason = REASONS[code]
  return new CageError('state_unusable', `${problem}: ${reason === undefined ? code : `${reason} (${code})`}`, {
    hint: 'Name a folder below one that you may write to: --state DIR, HOME or XDG_STATE_HOME.',
    cause: error,
  })
}
