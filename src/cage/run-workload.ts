import { resolve } from 'node:path'
import { firecrackerOf, isolationOf, machineOf } from '../config/isolation.ts'
import type { Config } from '../config/schema.ts'
import { CageError } from '../errors.ts'
import type { WorkloadPlan } from '../isolation/isolation.ts'
import { parseBytes } from '../isolation/process/memory-size.ts'
import { volumeTarget } from '../isolation/process/volumes.ts'
import { launchWorkload, type LaunchOptions, type MoatNamespaces, type Workload } from '../isolation/process/launch.ts'
import type { AppliedLimits } from '../isolation/process/limits.ts'
import { machinesFolder } from '../system/paths.ts'
import { relayFiles } from './run-stdio.ts'

export interface StartOptions {
  readonly config: Config
  readonly moat: MoatNamespaces
  readonly limits: AppliedLimits
  /** Whether other commands may enter a machine. */
  readonly open: boolean
  readonly stdio: LaunchOptions['stdio']
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Folder for this run; only this user may enter it. */
  readonly scratch: string
  readonly signal?: AbortSignal | undefined
  readonly log: (message: string) => void
}

/** A workload that has begun. */
export interface StartedWorkload extends Disposable {
  readonly workload: Workload
  /** When all that it wrote has been written on. To be awaited after its end. */
  readonly drained: Promise<unknown>
}

/** Starts the plan's command with the isolation that the configuration names. */
export async function startWorkload(plan: WorkloadPlan, options: StartOptions): Promise<StartedWorkload> {
  return isolationOf(options.config) === 'microvm' ? startInMachine(plan, options) : startProcess(plan, options)
}

async function startProcess(plan: WorkloadPlan, options: StartOptions): Promise<StartedWorkload> {
  const { moat, limits, signal, log } = options
  const relayed = await relayFiles(options.stdio)
  try {
    const workload = await launchWorkload(plan, moat, { stdio: relayed.stdio, limits, signal, log })
    relayed.release()
    return { workload, drained: relayed.drained, [Symbol.dispose]: () => relayed[Symbol.dispose]() }
  } catch (error) {
    relayed[Symbol.dispose]()
    throw error
  }
}

/** A machine has no streams of ours but its ports, so that files need no pipes before them. */
async function startInMachine(plan: WorkloadPlan, options: StartOptions): Promise<StartedWorkload> {
  const { config, moat, workingDirectory, environment, ...rest } = options
  const machine = machineOf(config)
  const home = environment['HOME'] ?? '/'
  refuseSmallLimit(config)
  const { launchMachine } = await import('../isolation/microvm/launch-machine.ts')
  const workload = await launchMachine(plan, moat, {
    ...rest,
    settings: {
      kernel: machine.kernel === undefined ? undefined : resolve(workingDirectory, machine.kernel),
      kernelSha256: machine.kernel_sha256,
      vmmSha256: machine.vmm_sha256,
      image: machine.image === undefined ? undefined : resolve(workingDirectory, machine.image),
      firecracker: firecrackerOf(machine, workingDirectory),
      volumes: config.container.volumes.map((text) => volumeTarget(text, { environment, home, workingDirectory })),
      vcpus: machine.vcpus,
      memoryMebibytes: machine.mem_mb,
      diskMebibytes: machine.disk_mb,
    },
    own: process,
    cache: machinesFolder(environment),
  })
  return { workload, drained: Promise.resolve(), [Symbol.dispose]: () => undefined }
}

/** Both bound the same memory, and the kernel would end the VMM in the middle of the guest's work. */
function refuseSmallLimit(config: Config): void {
  const limit = parseBytes(config.container.memory)
  const { mem_mb } = machineOf(config)
  if (limit === undefined || limit >= (mem_mb + VMM_MEBIBYTES) * MEBIBYTE) return
  throw new CageError('config_invalid', `container.memory is less than the machine needs (${mem_mb} MiB and its VMM)`, {
    hint: 'Remove it: microvm.mem_mb bounds the memory of a guest.',
  })
}

const MEBIBYTE = 1 << 20
const VMM_MEBIBYTES = 256
