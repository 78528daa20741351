import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import type { WorkloadPlan } from '../isolation.ts'
import { launchWorkload, type MoatNamespaces, type Workload } from '../process/launch.ts'
import { bootGuest } from './boot.ts'
import { FURTHER_SESSIONS, machinePorts, type Port } from './guest-ports.ts'
import { findFirmware, hasSteadyCounter, hostInitramfs, KVM, mayOpenDevice, requireQemu } from './host-parts.ts'
import { imageDisk } from './image/image-disk.ts'
import { requireKernel, type GuestKernel } from './kernel.ts'
import { recallKvmFailure, rememberKvmFailure } from './kvm-failure.ts'
import { getsTerminal, type MachineOptions } from './machine-options.ts'
import { launchFirecracker } from './firecracker/launch-firecracker.ts'
import { GUEST_TREE, MACHINE_FOLDER, machineMounts } from './machine-mounts.ts'
import { PortSockets } from './port-sockets.ts'
import { busOf, qemuArguments, type Accelerator } from './qemu.ts'
import { makeScratchDisk } from './scratch-disk.ts'
import { bootableKernel } from './unpack.ts'
import { requireVmmSum } from './vmm-sum.ts'

/** What all attempts to start a machine have in common. */
interface Blueprint {
  readonly plan: WorkloadPlan
  readonly moat: MoatNamespaces
  readonly options: MachineOptions
  readonly terminal: boolean
  readonly further: number
  readonly ports: readonly (readonly Port[])[]
  readonly qemu: string
  readonly guest: GuestKernel
  /** Path of the kernel as QEMU starts it. */
  readonly kernel: string
  /** Path of a disk with the guest's root. */
  readonly image: string | undefined
}

/**
 * Runs the plan's command in a machine of its own. The VMM is the workload of a cage in the moat, confined as a workload
 * without a machine would be. Whether KVM works is found out by using it: its device may be there and no guest run; until the
 * host boots again that is remembered.
 * Throws `host_unsupported` for what the host lacks, `workload_failed` for a guest that does not come up.
 */
export async function launchMachine(
  plan: WorkloadPlan,
  moat: MoatNamespaces,
  options: MachineOptions,
): Promise<Workload> {
  if (options.settings.firecracker !== undefined) return launchFirecracker(plan, moat, options)
  const qemu = requireQemu()
  requireVmmSum(qemu, options.settings.vmmSha256)
  const kernel = requireKernel({ path: options.settings.kernel, sha256: options.settings.kernelSha256 })
  const { image } = options.settings
  const terminal = getsTerminal(options)
  const further = options.open ? FURTHER_SESSIONS : 0
  const blueprint: Blueprint = {
    plan,
    moat,
    options,
    qemu,
    terminal,
    further,
    ports: machinePorts({ terminal, further }),
    kernel: await bootableKernel(kernel, options.cache, 'qemu'),
    guest: kernel,
    image: image === undefined ? undefined : await imageDisk(image, options.cache),
  }
  if (!mayOpenDevice(KVM)) return emulate(blueprint)
  const host = { qemu, kernel: kernel.path }
  const before = await recallKvmFailure(options.cache, host)
  if (before !== undefined) {
    options.log(`warning: ${KVM} ran no guest since the host booted (agentcage vm setup tries again): ${before}`)
    return emulate(blueprint)
  }
  try {
    return await startMachine('kvm', blueprint)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!(error instanceof CageError) || error.code !== 'workload_failed') throw error
    options.log(`warning: ${KVM} runs no guest: ${error.message}`)
    const machine = await emulate(blueprint)
    // Only now: what fails either way says nothing about KVM.
    await rememberKvmFailure(options.cache, host, error.message)
    return machine
  }
}

function emulate(blueprint: Blueprint): Promise<Workload> {
  blueprint.options.log('warning: no KVM: the guest is emulated in software, many times slower')
  return startMachine('tcg', blueprint)
}

async function startMachine(accelerator: Accelerator, blueprint: Blueprint): Promise<Workload> {
  const { options, moat, terminal, further, plan, image, guest } = blueprint
  const folder = join(options.scratch, `machine-${accelerator}`)
  await mkdir(folder, { mode: 0o700 })
  const disks = image !== undefined || options.settings.diskMebibytes !== undefined
  const initramfs = hostInitramfs(guest, { vmm: 'qemu', bus: busOf(accelerator), disks })
  await writeFile(join(folder, 'initramfs'), initramfs, { mode: 0o600 })
  for (const name of ['kernel', 'image', 'scratch']) await writeFile(join(folder, name), '')
  const scratch = await makeScratch(blueprint, accelerator)
  const ports = blueprint.ports.flat().map(({ name }) => name)
  const sockets = await PortSockets.listen(folder, ports)
  try {
    const vmm = await launchWorkload(vmmPlan(blueprint, { accelerator, folder, scratch }), moat, {
      stdio: ['ignore', 'pipe', 'pipe'],
      limits: options.limits,
      signal: options.signal,
      log: options.log,
    })
    return await bootGuest({
      plan,
      accelerator,
      vmm,
      sockets,
      terminal,
      further,
      image: image !== undefined,
      scratchDisk: scratch !== undefined,
      ...options,
    })
  } catch (error) {
    sockets[Symbol.dispose]()
    throw error
  }
}

async function makeScratch({ options }: Blueprint, accelerator: Accelerator): Promise<string | undefined> {
  const { diskMebibytes } = options.settings
  if (diskMebibytes === undefined) return undefined
  const path = join(options.scratch, `disk-${accelerator}`)
  await makeScratchDisk(path, diskMebibytes)
  return path
}

interface Attempt {
  readonly accelerator: Accelerator
  readonly folder: string
  readonly scratch: string | undefined
}

/** The VMM as a workload: it has nothing of the environment but where programs are. */
function vmmPlan({ plan, options, ports, qemu, kernel, image }: Blueprint, attempt: Attempt): WorkloadPlan {
  const { vcpus, memoryMebibytes } = options.settings
  const { accelerator, folder, scratch } = attempt
  const machine = qemuArguments({
    accelerator,
    kernel: `${MACHINE_FOLDER}/kernel`,
    initramfs: `${MACHINE_FOLDER}/initramfs`,
    vcpus,
    memoryMebibytes,
    tree: GUEST_TREE,
    sockets: MACHINE_FOLDER,
    ports,
    firmware: findFirmware(),
    steadyCounter: hasSteadyCounter(),
    image: image === undefined ? undefined : `${MACHINE_FOLDER}/image`,
    scratch: scratch === undefined ? undefined : `${MACHINE_FOLDER}/scratch`,
  })
  const devices = accelerator === 'kvm' ? [KVM] : []
  return {
    command: [qemu, ...machine],
    workingDirectory: '/',
    environment: { PATH: '/usr/bin:/bin' },
    mounts: machineMounts({ workload: plan.mounts, folder, kernel, scratch, image, devices }),
    limits: plan.limits,
  }
}
