import { access, constants } from 'node:fs/promises'
import { CageError } from '../errors.ts'
import { errnoWords } from '../system/errno-words.ts'
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

/** What codes mean for a folder that is made where others are missing too. */
const OWN_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'the folder above takes no others (ENOENT)',
  ENOTDIR: 'a file is in the way (ENOTDIR)',
}

function unusable(problem: string, error: unknown): CageError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return new CageError('state_unusable', `${problem}: ${OWN_WORDS[code] ?? errnoWords(code) ?? code}`, {
    hint: 'Name a folder below one that you may write to: --state DIR, HOME or XDG_STATE_HOME.',
    cause: error,
  })
}
