import type { Stats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { CageError } from '../errors.ts'
import { ChangeWatch } from './change-watch.ts'
import { codeOf, reasonOf } from './failure.ts'
import { LineSplitter, type LogLine } from './lines.ts'

const CHUNK = 65_536

/** Reads a log from its beginning to its end, and on when it grows. Holds one line and one chunk. */
export class LogReader {
  readonly #path: string
  #handle: FileHandle
  /** Where the next line begins, and how far was read: between them lies a line without its end. */
  #position = 0
  #end = 0
  /** The file has another at its name; what is left in it was read once more after that was seen. */
  #replaced = false
  #watch: ChangeWatch | undefined

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  static async open(path: string): Promise<LogReader> {
    return new LogReader(path, await openRegular(path))
  }

  /** The lines that have an end, as many at a time as a chunk holds. */
  async *toEnd(): AsyncGenerator<readonly LogLine[], void, undefined> {
    const splitter = new LineSplitter()
    this.#end = this.#position
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, this.#end)
      if (bytesRead === 0) return
      const lines = splitter.push(buffer.subarray(0, bytesRead))
      this.#end += bytesRead
      this.#position = this.#end - splitter.unfinished
      yield lines
    }
  }

  /** The line at the end that has no end, after `toEnd`. */
  async unfinished(): Promise<LogLine | undefined> {
    const splitter = new LineSplitter()
    for (let at = this.#position; at < this.#end; at += CHUNK) {
      const length = Math.min(CHUNK, this.#end - at)
      const { bytesRead, buffer } = await this.#handle.read(Buffer.alloc(length), 0, length, at)
      splitter.push(buffer.subarray(0, bytesRead))
    }
    return splitter.end()
  }

  /** Waits until there is something to read. False when `signal` aborted. */
  async changed(signal: AbortSignal | undefined): Promise<boolean> {
    this.#watch ??= new ChangeWatch(this.#path)
    for (;;) {
      if (signal?.aborted) return false
      if (await this.#hasNews()) return true
      await this.#watch.wait(signal)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.close()
    await this.#handle.close()
  }

  async #hasNews(): Promise<boolean> {
    const [own, named] = await Promise.all([this.#handle.stat(), statIfThere(this.#path)])
    const replaced = named !== undefined && (named.ino !== own.ino || named.dev !== own.dev)
    if (replaced && this.#replaced) return this.#reopen()
    this.#replaced = replaced
    if (own.size < this.#position) this.#position = 0
    return replaced || own.size !== this.#end
  }

  async #reopen(): Promise<boolean> {
    const handle = await openRegular(this.#path)
    await this.#handle.close()
    this.#handle = handle
    this.#position = 0
    this.#replaced = false
    return true
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  try {
    const stats = await stat(path)
    if (!stats.isFile()) throw new CageError('audit_unusable', `${path} is not a regular file`)
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof CageError) throw error
    throw new CageError('audit_unusable', `audit log ${path} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
