import { open } from 'node:fs/promises'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import { runProgram } from '../../system/spawn.ts'

/** An empty file system for a guest alone. It takes room on the host as it is filled. */
export function makeScratchDisk(path: string, mebibytes: number): Promise<void> {
  return makeFileSystem(path, mebibytes)
}

/**
 * Makes a file system of ext4 in a new file, with the content of a folder or empty. Throws `host_unsupported` without
 * e2fsprogs, `workload_failed` when it cannot be made.
 */
export async function makeFileSystem(
  path: string,
  mebibytes: number,
  { content }: { readonly content?: string } = {},
): Promise<void> {
  const program = requireMkfs()
  await using file = await open(path, 'wx', 0o600)
  await file.truncate(mebibytes * 1024 * 1024)
  const { code, stderr, error } = await runProgram(program, fileSystemArguments(path, content), {
    timeout: 600_000,
    environment: {},
  })
  if (code !== 0) throw new CageError('workload_failed', `cannot make ${path}: ${error?.message ?? stderr.trim()}`)
}

/** Absolute path. Throws `host_unsupported`. */
export function requireMkfs(): string {
  const program = findProgram('mkfs.ext4')
  if (program !== undefined) return program
  throw new CageError('host_unsupported', 'mkfs.ext4 is not installed (package e2fsprogs)', {
    hint: 'Install it, or remove microvm.disk_mb and microvm.image.',
  })
}

/** Without a journal: what is in it ends with the guest. */
export function fileSystemArguments(path: string, content: string | undefined): readonly string[] {
  const filled = content === undefined ? [] : ['-d', content]
  return ['-q', '-F', '-m', '0', '-O', '^has_journal', '-E', 'lazy_itable_init=1', ...filled, path]
}
