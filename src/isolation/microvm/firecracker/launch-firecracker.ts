import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CageError } from '../../../errors.ts'
import type { Mount, WorkloadPlan } from '../../isolation.ts'
import { launchWorkload, type MoatNamespaces, type Workload } from '../../process/launch.ts'
import { bootGuest } from '../boot.ts'
import { FURTHER_SESSIONS, machinePorts } from '../guest-ports.ts'
import { hostInitramfs } from '../host-parts.ts'
import { imageDisk } from '../image/image-disk.ts'
import { requireKernel } from '../kernel.ts'
import { MACHINE_FOLDER, machineMounts } from '../machine-mounts.ts'
import { getsTerminal, type MachineOptions } from '../machine-options.ts'
import { PortSockets } from '../port-sockets.ts'
import { makeScratchDisk } from '../scratch-disk.ts'
import { bootableKernel } from '../unpack.ts'
import { makeFilesDisk } from './files-disk.ts'
import { whenHandedBack } from './hand-over.ts'
import { TAP_NETWORK } from './network.ts'
import { copiedMounts } from './places.ts'
import { firecrackerRequests, type ApiRequest } from './requests.ts'
import { FIRECRACKER_DEVICES, requireFirecracker } from './require-firecracker.ts'
import { vsockChannel, vsockPort } from './socat.ts'
import { startVmm } from './start-vmm.ts'

const OWN = `${MACHINE_FOLDER}/own`

/**
 * Runs the plan's command in a machine of Firecracker's, which is the workload of a cage in the moat, as QEMU is. The moat
 * has the TAP device. Project and volumes are copied to a disk, and what the guest changed is taken over when it has ended.
 * Throws `host_unsupported` for what the host lacks, `workload_failed` for a guest that does not come up.
 */
export async function launchFirecracker(
  plan: WorkloadPlan,
  moat: MoatNamespaces,
  options: MachineOptions,
): Promise<Workload> {
  const { settings, cache, signal, limits, patience, devices = FIRECRACKER_DEVICES } = options
  const firecracker = requireFirecracker(settings.firecracker ?? '', devices)
  const kernel = requireKernel({ path: settings.kernel, sha256: settings.kernelSha256, vmm: 'firecracker' })
  if (settings.image === undefined)
    throw new CageError('config_invalid', 'microvm.vmm: firecracker needs microvm.image')
  const terminal = getsTerminal(options)
  const further = options.open ? FURTHER_SESSIONS : 0
  const names = machinePorts({ terminal, further }).flatMap((ports) => ports.map(({ name }) => name))
  const mounts = copiedMounts(plan.mounts, settings.volumes ?? [])
  const machine = await makeFolder(options.scratch, settings.diskMebibytes)
  const channel = await vsockChannel(names)
  const initramfs = hostInitramfs(kernel, { vmm: 'firecracker', bus: 'mmio', disks: true }, channel)
  await writeFile(join(machine.folder, 'initramfs'), initramfs, { mode: 0o600 })
  const view = {
    workload: mounts,
    folder: machine.folder,
    kernel: await bootableKernel(kernel, cache, 'firecracker'),
    image: await imageDisk(settings.image, cache),
    files: machine.files,
  }
  const cage = machineMounts({ ...view, devices: [] })
  const files = await makeFilesDisk({
    path: machine.files,
    mounts,
    cage,
    moat,
    limits: plan.limits,
    signal,
  })
  const sockets = await PortSockets.listen(machine.own, names, (index) => `vsock_${vsockPort(index)}`)
  try {
    const shown = machineMounts({ ...view, ...machine, vmm: firecracker, serves: false, devices })
    const vmm = await launchWorkload(vmmPlan(shown, plan), moat, {
      stdio: ['ignore', 'pipe', 'pipe'],
      limits,
      signal,
    })
    await startVmm(vmm, join(machine.own, 'api'), { requests: requestsOf(settings), patience, signal })
    const workload = await bootGuest({
      plan: { ...plan, mounts },
      accelerator: 'kvm',
      vmm,
      sockets,
      terminal,
      further,
      image: true,
      scratchDisk: machine.scratch !== undefined,
      link: { network: TAP_NETWORK, filesDisk: true, terminalDevice: (session) => `/run/ports/tty${session}` },
      ...options,
    })
    const exited = whenHandedBack(workload.exited, files, options)
    exited.catch(() => undefined) // Whoever awaits it learns it.
    return { ...workload, exited }
  } catch (error) {
    sockets[Symbol.dispose]()
    throw error
  }
}

interface MachineFolder {
  readonly folder: string
  readonly own: string
  readonly files: string
  readonly scratch: string | undefined
}

async function makeFolder(parent: string, diskMebibytes: number | undefined): Promise<MachineFolder> {
  const folder = join(parent, 'machine')
  const [own, files, scratch] = ['fc', 'disk-files', 'disk-scratch'].map((name) => join(parent, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [folder, own, join(folder, 'own')]) await mkdir(path, { mode: 0o700 })
  for (const name of ['kernel', 'image', 'scratch', 'files', 'vmm']) await writeFile(join(folder, name), '')
  await writeFile(files, '', { mode: 0o600, flag: 'wx' })
  if (diskMebibytes !== undefined) await makeScratchDisk(scratch, diskMebibytes)
  return { folder, own, files, scratch: diskMebibytes === undefined ? undefined : scratch }
}

/** Firecracker's own seccomp filter stays on; ours lies under it. */
function vmmPlan(mounts: readonly Mount[], { limits }: WorkloadPlan): WorkloadPlan {
  return {
    command: [`${MACHINE_FOLDER}/vmm`, '--api-sock', `${OWN}/api`],
    workingDirectory: '/',
    environment: { PATH: '/usr/bin:/bin' },
    mounts,
    limits,
  }
}

/** Paths are those in the cage. */
function requestsOf({ vcpus, memoryMebibytes, diskMebibytes }: MachineOptions['settings']): readonly ApiRequest[] {
  return firecrackerRequests({
    kernel: `${MACHINE_FOLDER}/kernel`,
    initramfs: `${MACHINE_FOLDER}/initramfs`,
    vcpus,
    memoryMebibytes,
    image: `${MACHINE_FOLDER}/image`,
    files: `${MACHINE_FOLDER}/files`,
    scratch: diskMebibytes === undefined ? undefined : `${MACHINE_FOLDER}/scratch`,
    vsock: `${OWN}/vsock`,
  })
}
