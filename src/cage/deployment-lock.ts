import { join } from 'node:path'
import { CageError } from '../errors.ts'
import { usable } from '../secrets/private-state.ts'
import { FileInUseError, lockFile, LockUnusableError } from '../system/file-lock.ts'
import { ensurePrivateFolder } from '../system/files.ts'
import { deploymentsFolder, isCageName } from '../system/paths.ts'
import { unknownCage, type Environment } from './deployment.ts'

/** How long a waiting command waits for the one before. */
const PATIENCE_MS = 30_000
const PAUSE_MS = 100

/**
 * Makes this process the one that changes a cage, until it is disposed of. Throws `cage_busy` when another one is at it
 * for longer than a change of the allowlist takes. A process that died holds no lock.
 */
export async function lockCage(name: string, environment: Environment): Promise<Disposable> {
  if (!isCageName(name)) throw unknownCage(name)
  return lockIn(environment, name)
}

/** As `lockCage`, for what all cages share: free addresses, images. No cage can have this name. */
export async function lockAllCages(environment: Environment): Promise<Disposable> {
  return lockIn(environment, '_all')
}

async function lockIn(environment: Environment, name: string): Promise<Disposable> {
  const folder = deploymentsFolder(environment)
  await usable(folder, () => ensurePrivateFolder(folder))
  const path = join(folder, `.${name}`)
  for (const end = Date.now() + PATIENCE_MS; ;) {
    try {
      const lock = lockFile(path)
      // Seen by processes that cannot look us up, such as those of a container.
      const sign = setInterval(() => lock.refresh(), 2000).unref()
      return {
        [Symbol.dispose]() {
          clearInterval(sign)
          lock.release()
        },
      }
    } catch (error) {
      if (error instanceof LockUnusableError) throw new CageError('state_unusable', error.message, { hint: error.mend })
      if (!(error instanceof FileInUseError)) throw error
      if (Date.now() > end) throw busy(name, error)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}

function busy(name: string, { holder, lock }: FileInUseError): CageError {
  const what = name === '_all' ? 'the cages of this user' : `cage '${name}'`
  return new CageError('cage_busy', `process ${holder.pid} is changing ${what}`, {
    hint: `Wait for it, or end it (lock: ${lock}).`,
  })
}
