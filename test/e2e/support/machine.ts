import { CageError } from '../../../src/errors.ts'
import { requireBusybox, requireQemu } from '../../../src/isolation/microvm/host-parts.ts'
import { requireKernel } from '../../../src/isolation/microvm/kernel.ts'
import { missingOnThisMachine } from '../../support/requires.ts'
import { withoutCagesOr } from './cage.ts'

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
