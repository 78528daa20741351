import { createHash } from 'node:crypto'
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CageError } from '../../../errors.ts'
import { ensurePrivateFolder, isErrno } from '../../../system/files.ts'
import { runProgram } from '../../../system/spawn.ts'

const MEBIBYTE = 1024 * 1024

export interface UnsavedDisk {
  readonly path: string
  /** Of the project that the guest had a copy of: it has one such disk at most, or its guests would fill the host. */
  readonly project: string
  /** Folder that outlives the run. */
  readonly cache: string
}

/** Moves the disk of a guest to where it stays, in place of an older one of the same project. Says where, for people. */
export async function keepDisk({ path, project, cache }: UnsavedDisk): Promise<string> {
  await ensurePrivateFolder(cache)
  const kept = join(cache, `unsaved-${createHash('sha256').update(project).digest('hex').slice(0, 16)}`)
  const older = await modified(kept)
  try {
    await move(path, kept, cache)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const what = `the guest's disk cannot be kept in ${cache}: ${error.message}`
    throw new CageError('workload_failed', what, { hint: 'Make room there.', cause: error })
  }
  const mebibytes = Math.ceil(((await stat(kept)).blocks * 512) / MEBIBYTE)
  const instead = older === undefined ? '' : `, in place of the one of ${older.toISOString()}`
  return `${kept} (ext4, ${mebibytes} MiB)${instead}`
}

async function modified(path: string): Promise<Date | undefined> {
  try {
    return (await stat(path)).mtime
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

async function move(from: string, to: string, cache: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isErrno(error, 'EXDEV')) throw error
    await copy(from, to, cache)
  }
}

/** What is cut off meanwhile is removed with what was cut off while an image's disk was made. */
async function copy(from: string, to: string, cache: string): Promise<void> {
  const folder = await mkdtemp(join(cache, 'making-'))
  try {
    const copied = join(folder, 'disk')
    // There may be no room for all of it: holes stay holes.
    const { code, stderr } = await runProgram('cp', ['--sparse=always', '--', from, copied], { timeout: 600_000 })
    if (code !== 0) throw new Error(stderr.trim() || 'cp was ended')
    await rename(copied, to)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
