import { randomBytes } from 'node:crypto'
import { constants, type BigIntStats } from 'node:fs'
import { mkdir, open, rename, rmdir, symlink, unlink, type FileHandle } from 'node:fs/promises'
import { isErrno } from '../../../system/files.ts'
import { statOf } from './memory.ts'

/** O_NOFOLLOW: who else may write to a folder could put a link in the place of the next one. */
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

export interface NewFile {
  readonly mode: number
  /** Seconds since 1970. */
  readonly modified: number
  readonly content: AsyncIterable<Buffer>
}

/**
 * An open folder of the host's, and what is in it by name. Paths go through the descriptor: wherever the folder is moved,
 * and whatever is put where it was, only it is changed.
 */
export class FolderHandle implements AsyncDisposable {
  readonly #handle: FileHandle

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  static async open(path: string): Promise<FolderHandle> {
    return new FolderHandle(await open(path, FOLDER))
  }

  enter(name: string): Promise<FolderHandle> {
    return FolderHandle.open(this.#path(name))
  }

  stat(name: string): Promise<BigIntStats | undefined> {
    return statOf(this.#path(name))
  }

  async makeFolder(name: string, mode: number): Promise<void> {
    // Its owner, who is who runs this, must be able to fill and remove it.
    await mkdir(this.#path(name), { mode: mode | 0o700 })
  }

  /** Makes the file, or replaces what is there in one step, also when the host crashes. */
  async replace(name: string, { mode, modified, content }: NewFile): Promise<void> {
    await this.#putInPlace(name, async (path) => {
      await using file = await open(path, 'wx', 0o600)
      for await (const bytes of content) await file.writeFile(bytes)
      await file.utimes(modified, modified)
      await file.chmod(mode)
      await file.datasync()
    })
  }

  async link(name: string, to: string): Promise<void> {
    await this.#putInPlace(name, (path) => symlink(to, path))
  }

  async remove(name: string): Promise<void> {
    await unlink(this.#path(name))
  }

  /** False when there is something in it. */
  async removeFolder(name: string): Promise<boolean> {
    try {
      await rmdir(this.#path(name))
      return true
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST') || isErrno(error, 'EBUSY')) return false
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }

  async #putInPlace(name: string, make: (path: string) => Promise<void>): Promise<void> {
    const temporary = this.#path(`.agentcage-${randomBytes(8).toString('hex')}`)
    try {
      await make(temporary)
      await rename(temporary, this.#path(name))
    } catch (error) {
      await unlink(temporary).catch(() => undefined)
      throw error
    }
  }

  #path(name: string): string {
    if (name === '' || name === '.' || name === '..' || name.includes('/')) throw new RangeError(`no name: ${name}`)
    return `/proc/self/fd/${this.#handle.fd}/${name}`
  }
}
