import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { CageError } from '../../errors.ts'
import { ensurePrivateFolder, writeFileAtomic } from '../../system/files.ts'
import { findProgram } from '../../system/process.ts'
import type { BootImage } from './boot-image.ts'
import { noteUse, removeOldKernels } from './kept-files.ts'
import type { GuestKernel, Vmm } from './kernel.ts'

/** More than any kernel or module. */
const LARGEST = 512 << 20

/** Appended to what is packed inside of a boot image: its unpacked size. gzip has it by itself. */
const SIZE_BYTES = 4

/**
 * The path of the kernel as a machine starts it fastest: unpacked once and kept in `cache`, by content, because a guest
 * under emulation takes seconds for it. Where the host cannot unpack it, the boot image itself, which unpacks itself in
 * QEMU's machines; Firecracker starts none, so that `host_unsupported` is thrown.
 */
export async function bootableKernel(
  { path, file, sha256, image }: GuestKernel,
  cache: string,
  vmm: Vmm,
): Promise<string> {
  if (image.packing === 'none') return path
  const kept = join(cache, `vmlinux-${sha256}`)
  if (existsSync(kept)) {
    await noteUse(kept)
    return kept
  }
  const kernel = unpackKernel(file, image)
  if (kernel === undefined) {
    if (vmm === 'firecracker') throw stillPacked(path, image.packing)
    return path
  }
  await ensurePrivateFolder(cache)
  await writeFileAtomic(kept, kernel, { mode: 0o600 })
  await removeOldKernels(cache)
  return kept
}

function stillPacked(path: string, packing: BootImage['packing']): CageError {
  const how = packing === 'unknown' ? 'in an unknown way' : `with ${packing}`
  const message = `${path} is packed ${how} and cannot be unpacked; Firecracker starts no packed kernel`
  const hint =
    packing === 'xz' && findProgram('xz') === undefined
      ? 'Install xz (package xz-utils).'
      : 'Install the kernel anew, or name another in microvm.kernel: one packed with gzip, xz or zstd, or an ELF file.'
  return new CageError('host_unsupported', message, { hint })
}

/** undefined: the host lacks what unpacks it, or what comes out is not a kernel. */
export function unpackKernel(file: Buffer, { packing, start, end }: BootImage): Buffer | undefined {
  const packed = file.subarray(start, packing === 'gzip' ? end : end - SIZE_BYTES)
  const kernel = unpack(packed, packing)
  return kernel?.toString('latin1', 0, 4) === '\x7fELF' ? kernel : undefined
}

/** The content of a module, as the kernel loads it. Throws `host_unsupported` when it cannot be unpacked. */
export function readModule(path: string): Buffer {
  const content = readFileSync(path)
  const packing = /\.ko\.(gz|xz|zst)$/.exec(path)?.[1]
  if (packing === undefined) return content
  const unpacked = unpack(content, packing === 'gz' ? 'gzip' : packing === 'zst' ? 'zstd' : 'xz')
  if (unpacked !== undefined) return unpacked
  throw new CageError('host_unsupported', `${path} cannot be unpacked`, { hint: 'Install xz (package xz-utils).' })
}

function unpack(packed: Buffer, packing: BootImage['packing']): Buffer | undefined {
  try {
    switch (packing) {
      case 'gzip':
        return gunzipSync(packed, { maxOutputLength: LARGEST })
      case 'zstd':
        return zstdDecompressSync(packed, { maxOutputLength: LARGEST })
      case 'xz':
        return unpackXz(packed)
      case 'none':
      case 'lz4':
      case 'unknown':
        return undefined
    }
  } catch {
    return undefined
  }
}

/** Node does not know xz; the program is part of every common distribution. */
function unpackXz(packed: Buffer): Buffer | undefined {
  const xz = findProgram('xz')
  if (xz === undefined) return undefined
  const { status, stdout } = spawnSync(xz, ['--decompress', '--stdout', '--single-stream'], {
    input: packed,
    maxBuffer: LARGEST,
    env: {},
    timeout: 60_000,
  })
  return status === 0 ? stdout : undefined
}
