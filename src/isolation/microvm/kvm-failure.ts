import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { ensurePrivateFolder, isErrno, readOwnFile, UnsafePathError, writeFileAtomic } from '../../system/files.ts'

/** What a guest under KVM depends on. Another boot, kernel or VMM may run what this one does not. */
export interface KvmHost {
  readonly qemu: string
  /** Path of the guest's kernel. */
  readonly kernel: string
}

const FILE = 'kvm-failure'
const MAX_FILE = 4096

/** Why KVM ran no guest here before; undefined: it was not tried since, or did. */
export async function recallKvmFailure(folder: string, host: KvmHost): Promise<string | undefined> {
  try {
    const text = (await readOwnFile(join(folder, FILE), { maxBytes: MAX_FILE, others: 'nothing' })).toString()
    const [key, reason] = text.split('\n')
    return key === keyOf(host) ? reason : undefined
  } catch (error) {
    // Without a memory KVM is tried, which is slower and never wrong.
    if (error instanceof UnsafePathError || isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Keeps it, so that not every start waits for a guest that does not come up. */
export async function rememberKvmFailure(folder: string, host: KvmHost, reason: string): Promise<void> {
  await ensurePrivateFolder(folder)
  const line = reason.replaceAll(/\s+/g, ' ').slice(0, 600)
  await writeFileAtomic(join(folder, FILE), `${keyOf(host)}\n${line}\n`, { mode: 0o600 })
}

export async function forgetKvmFailure(folder: string): Promise<void> {
  await rm(join(folder, FILE), { force: true })
}

function keyOf({ qemu, kernel }: KvmHost): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  const facts = [boot, release(), ...[qemu, kernel].flatMap(version)]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** A file that was replaced has another time, or another length. */
function version(path: string): readonly (string | number)[] {
  const { size, mtimeMs } = statSync(path)
  return [path, size, mtimeMs]
}
