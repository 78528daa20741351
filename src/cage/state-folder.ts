import { CageError } from '../errors.ts'
import { ensurePrivateFolder, UnsafePathError } from '../system/files.ts'

/** Makes or checks the folder of a cage's state. Throws `state_unusable` with the reason and, where there is one, the mend. */
export async function openStateFolder(path: string): Promise<string> {
  // With a final slash a symbolic link would be followed, and what it leads to be checked.
  const folder = path.replace(/(?<=.)\/+$/, '')
  try {
    await ensurePrivateFolder(folder)
    return folder
  } catch (error) {
    if (error instanceof UnsafePathError)
      throw new CageError('state_unusable', error.message, { hint: error.mend, cause: error })
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const hint = 'Name a folder below one that you may write to: --state DIR, HOME or XDG_STATE_HOME.'
    throw new CageError('state_unusable', `state folder ${folder} cannot be made: ${code}`, { hint, cause: error })
  }
}
