import { randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Takes so many bytes of a folder's file system until it is disposed of: who gives them back can write that much even when
 * all else is full. Throws as a write does (ENOSPC, EDQUOT), and takes nothing then. A process that is killed leaves nothing:
 * the file has no name any more.
 */
export async function reserveSpace(folder: string, bytes: number): Promise<AsyncDisposable> {
  const path = join(folder, `.reserved.${randomBytes(8).toString('hex')}.tmp`)
  await using taken = new AsyncDisposableStack()
  const file = taken.use(await open(path, 'wx', 0o600))
  await rm(path)
  // Random, as some file systems keep zeros for nothing; synced, as some tell only then that they are full.
  await file.writeFile(randomBytes(bytes))
  await file.datasync()
  return taken.move()
}
