import { readFileSync } from 'node:fs'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { isErrno } from '../../system/files.ts'

/** How long a file may be about to be opened, in milliseconds, by a machine that starts. */
const STARTING = 600_000
/** How long a kernel that no machine started with is kept, in milliseconds. */
const FORGOTTEN = 30 * 24 * 3_600_000

/** Says of a file that a machine is about to start with it. */
export async function noteUse(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now)
}

/**
 * Removes disks of images that are gone or changed, but none that a machine starts with or QEMU has open. Firecracker takes no
 * locks: its disk loses its name, and lives on in its hands until it ends.
 */
export async function removeOldDisks(cache: string, present: ReadonlySet<string>): Promise<void> {
  const names = (await readdir(cache)).filter((name) => /^image-[0-9a-f]{64}$/.test(name))
  const old = names.filter((name) => !present.has(name.slice('image-'.length)))
  for (const name of old) await removeUnused(join(cache, name), STARTING)
  // What was cut off while it was made; making one takes less than a day.
  for (const name of (await readdir(cache)).filter((entry) => entry.startsWith('making-')))
    await removeUnused(join(cache, name), 24 * 3_600_000)
}

/** Removes unpacked kernels that no machine has started with for long. */
export async function removeOldKernels(cache: string): Promise<void> {
  for (const name of (await readdir(cache)).filter((entry) => /^vmlinux-[0-9a-f]{64}$/.test(entry)))
    await removeUnused(join(cache, name), FORGOTTEN)
}

async function removeUnused(path: string, age: number): Promise<void> {
  try {
    const { mtimeMs, ino } = await stat(path)
    if (Date.now() - mtimeMs < age || isLocked(ino)) return
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error // Somebody else removed it.
  }
}

/**
 * Whether a process holds a lock on the file, as QEMU does on its disks for as long as it runs (proc_locks(5)). Some file
 * systems have another device there than stat says: a file of the same number elsewhere counts, too.
 */
function isLocked(inode: number): boolean {
  return readFileSync('/proc/locks', 'latin1').includes(`:${inode} `)
}
