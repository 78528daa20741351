import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A path that others could have put there, could read or could change. `mend` is what a person can do about it. */
export class UnsafePathError extends Error {
  override readonly name = 'UnsafePathError'
  readonly mend: string

  constructor(message: string, mend: string) {
    super(message)
    this.mend = mend
  }
}

/**
 * Replaces a file in one step: whoever reads `path` sees all of the old content or all of the new, also after a
 * crash. `mode` holds whatever the umask is. A symbolic link at `path` is replaced, not followed.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { mode }: { readonly mode: number },
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    await writeNewFile(temporary, data, { mode })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

/** Makes a file that must not exist yet and waits until its content is on the disk. */
export async function writeNewFile(
  path: string,
  data: string | Uint8Array,
  { mode }: { readonly mode: number },
): Promise<void> {
  await using file = await open(path, 'wx', mode)
  await file.chmod(mode)
  await file.writeFile(data)
  await file.sync()
}

/** Waits until the entries of a folder (names made, renamed, removed) are on the disk. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await folder.sync()
}

/**
 * Makes a folder (and missing parents) that only this user can enter, or checks that an existing one is so.
 * Throws an UnsafePathError for a symbolic link, another owner, or permissions for others: what lies in such a
 * folder may have been read or planted already, so its permissions are not quietly repaired.
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    await makeFolders(path, 0o700)
  } catch (error) {
    // Something else is there, a link to nowhere perhaps: the check below says what.
    if (!isErrno(error, 'EEXIST') && !isErrno(error, 'ENOENT')) throw error
  }
  await checkPrivateFolder(path)
}

/** Node's recursive `mkdir` goes on for ever where a folder that exists takes none (ENOENT: /proc, an automounter's /home). */
async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const parent = dirname(path)
    if (isErrno(error, 'EEXIST')) return
    if (!isErrno(error, 'ENOENT') || parent === path || (await isThere(parent))) throw error
    await makeFolders(parent, mode)
    await mkdir(path, { mode })
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** Throws an UnsafePathError unless `path` is a folder that only this user can enter; ENOENT passes through. */
export async function checkPrivateFolder(path: string): Promise<void> {
  const stats = await lstat(path)
  if (stats.isSymbolicLink()) throw new UnsafePathError(`${path} is a symbolic link`, 'Name the folder itself.')
  if (!stats.isDirectory())
    throw new UnsafePathError(`${path} is not a folder`, 'Name a folder, or move the file away.')
  checkOwner(path, stats)
  checkMode(path, stats, 0o077)
}

export interface ReadOptions {
  readonly maxBytes: number
  /** What everybody else may do with the file. */
  readonly others: 'nothing' | 'read'
  /** Root may own it too; its group may read it then: that is how root lets one user read a file. */
  readonly rootToo?: boolean
}

/**
 * Reads a file of this user's, at most `maxBytes` long. Throws an UnsafePathError if others may do more than is said,
 * if somebody else owns it, or if it is not a plain file; symbolic links are not followed. ENOENT and other failures
 * pass through.
 */
export async function readOwnFile(path: string, { maxBytes, others, rootToo }: ReadOptions): Promise<Buffer> {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  await using file = await open(path, flags).catch((error: unknown) => {
    if (!isErrno(error, 'ELOOP')) throw error
    throw new UnsafePathError(`${path} is a symbolic link`, 'Put the file itself there.')
  })
  const stats = await file.stat()
  if (!stats.isFile()) throw new UnsafePathError(`${path} is not a plain file`, 'Put a plain file there.')
  const ofRoot = rootToo === true && stats.uid === 0 && process.geteuid?.() !== 0
  if (!ofRoot) checkOwner(path, stats)
  checkMode(path, stats, others === 'read' ? 0o022 : ofRoot ? 0o027 : 0o077)
  if (stats.size > maxBytes)
    throw new UnsafePathError(`${path} is larger than ${maxBytes} bytes`, 'Check what put it there.')
  const content = Buffer.alloc(maxBytes + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(content, length, content.length - length)
    length += bytesRead
    if (bytesRead === 0 || length === content.length) break
  }
  if (length > maxBytes)
    throw new UnsafePathError(`${path} is larger than ${maxBytes} bytes`, 'Check what put it there.')
  return content.subarray(0, length)
}

/** Whether `error` is a system error with this code, such as `ENOENT`. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function checkOwner(path: string, stats: Stats): void {
  const user = process.geteuid?.()
  if (user === undefined || stats.uid === user) return
  throw new UnsafePathError(`${path} belongs to user ${stats.uid}, not to user ${user}`, `chown ${user} ${path}`)
}

function checkMode(path: string, stats: Stats, forbidden: number): void {
  if ((stats.mode & forbidden) === 0) return
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
  const mended = (stats.mode & 0o777 & ~forbidden).toString(8).padStart(4, '0')
  throw new UnsafePathError(`${path} has mode ${mode}, which lets others in`, `chmod ${mended} ${path}`)
}
