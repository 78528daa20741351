import { copyFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CageError } from '../../../src/errors.ts'
import { requireBusybox, requireQemu } from '../../../src/isolation/microvm/host-parts.ts'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { bootableKernel } from '../../../src/isolation/microvm/unpack.ts'
import { ensurePrivateFolder } from '../../../src/system/files.ts'
import { missingOnThisMachine } from '../../support/requires.ts'
import { withoutCagesOr, type CageHost } from './cage.ts'

/** For a configuration: a small guest. */
export const MACHINE = { isolation: 'microvm', microvm: { mem_mb: 768, vcpus: 1 } } as const

/** For tests in machines, in milliseconds: a guest that is emulated on a busy host takes its time. */
export const PATIENCE = 180_000
/** For suites of them. */
export const SUITE_PATIENCE = 480_000

/** Why no machine can be started here, or none with these programs in it, or false. */
export function withoutMachinesOr(...programs: readonly string[]): string | false {
  try {
    requireQemu()
    requireBusybox()
    requireKernel({})
  } catch (error) {
    if (!(error instanceof CageError)) throw error
    return missingOnThisMachine(error.message)
  }
  return withoutCagesOr(...programs)
}

/** Where the tests keep the unpacked kernel, beside compiled code. */
const KEPT = join(import.meta.dirname, '../../../node_modules/.cache/machines')

/** Gives a host what its first machine would unpack for seconds: each test has a new one. */
export async function keepKernel(host: CageHost): Promise<void> {
  const kernel = requireKernel({})
  const path = await bootableKernel(kernel, KEPT, 'qemu')
  if (path === kernel.path) return
  const folder = join(host.state, 'machines')
  await ensurePrivateFolder(folder)
  await copyFile(path, join(folder, basename(path)))
}
