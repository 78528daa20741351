import { resolve } from 'node:path'
import { firecrackerOf, machineOf } from '../config/isolation.ts'
import { requireBusybox, requireQemu } from '../isolation/microvm/host-parts.ts'
import { requireFirecracker } from '../isolation/microvm/firecracker/require-firecracker.ts'
import { requireKernel } from '../isolation/microvm/kernel.ts'
import { requireVmmSum } from '../isolation/microvm/vmm-sum.ts'
import type { Backend } from './backend.ts'
import { execInMachine } from './machine-exec.ts'
import { processBackend } from './process-backend.ts'
import { requireRunnable } from './run-config.ts'

/**
 * `isolation: microvm` as a service: the unit and the supervisor of process isolation, whose workload is a machine. `exec`
 * runs in it, beside the workload.
 */
export const microvmBackend: Backend = {
  ...processBackend,
  isolation: 'microvm',

  async requireHost(environment) {
    requireBusybox()
    await processBackend.requireHost(environment)
  },

  async decide(draft, others) {
    requireRunnable(draft.config)
    const machine = machineOf(draft.config)
    const firecracker = firecrackerOf(machine, draft.record.working_directory)
    const vmm = firecracker === undefined ? requireQemu() : requireFirecracker(firecracker)
    requireVmmSum(vmm, machine.vmm_sha256)
    const { kernel, kernel_sha256: sha256 } = machine
    requireKernel({
      path: kernel === undefined ? undefined : resolve(draft.record.working_directory, kernel),
      sha256,
      vmm: firecracker === undefined ? 'qemu' : 'firecracker',
    })
    return processBackend.decide(draft, others)
  },

  exec: execInMachine,
}
