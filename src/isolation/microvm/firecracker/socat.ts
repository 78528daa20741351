import { readFileSync } from 'node:fs'
import { CageError } from '../../../errors.ts'
import { findProgram } from '../../../system/process.ts'
import { runProgram } from '../../../system/spawn.ts'
import type { VsockChannel } from '../initramfs.ts'

/** The host, on every vsock device (vsock(7)). */
const HOST_CID = 2
/** The first of the ports' numbers: those below are for the privileged. */
const FIRST_PORT = 1024

/** The number that a port has, by its place. */
export function vsockPort(index: number): number {
  return FIRST_PORT + index
}

/** socat of this host and the libraries that it names, for a guest. Throws `host_unsupported` when the host lacks it. */
export async function vsockChannel(names: readonly string[]): Promise<VsockChannel> {
  const socat = requireSocat()
  const libraries = await librariesOf(socat)
  return {
    programs: [
      { path: '/bin/socat', content: readFileSync(socat) },
      ...libraries.map((path) => ({ path, content: readFileSync(path) })),
    ],
    host: HOST_CID,
    ports: names.map((name, index) => ({ number: vsockPort(index), name })),
  }
}

/** Absolute path. Throws `host_unsupported`. */
export function requireSocat(): string {
  const socat = findProgram('socat')
  if (socat !== undefined) return socat
  throw new CageError('host_unsupported', 'socat is not installed: the guest of Firecracker needs it for its channel', {
    hint: 'Install the package socat, or use microvm.vmm: auto.',
  })
}

/** `NAME => PATH (ADDRESS)`, and the loader as a path alone. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const ldd = findProgram('ldd')
  const { code, stdout } =
    ldd === undefined ? { code: 1, stdout: '' } : await runProgram(ldd, [program], { environment: {} })
  const paths = [...stdout.matchAll(/(?:^\s*|=> )(\/\S+) \(0x[0-9a-f]+\)$/gm)].map(([, path]) => path ?? '')
  if (code === 0 && paths.length > 0) return [...new Set(paths)]
  throw new CageError('host_unsupported', `the libraries of ${program} are not known`, {
    hint: 'Use microvm.vmm: auto.',
  })
}
