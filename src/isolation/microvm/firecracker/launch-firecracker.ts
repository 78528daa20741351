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
import { MACHINE_FOLDER, machineMounts, type MachineView } from '../machine-mounts.ts'
import { getsTerminal, type MachineOptions } from '../machine-options.ts'
import { PortSockets } from '../port-sockets.ts'
import { makeScratchDisk } from '../scratch-disk.ts'
import { bootableKernel } from '../unpack.ts'
import { requireVmmSum } from '../vmm-sum.ts'
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
  const machine = await prepareMachine(plan, options)
  const files = await makeFilesDisk({
    path: machine.folder.files,
    mounts: machine.view.workload,
    cage: machineMounts({ ...machine.view, devices: [] }),
    moat,
    limits: plan.limits,
    signal: options.signal,
  })
  const sockets = await PortSockets.listen(machine.folder.own, machine.ports, (index) => `vsock_${vsockPort(index)}`)
  try {
    const workload = await startMachine(machine, { plan, moat, options, sockets })
    const exited = whenHandedBack(workload.exited, files, options)
    exited.catch(() => undefined) // Whoever awaits it learns it.
    return { ...workload, exited }
  } catch (error) {
    sockets[Symbol.dispose]()
    throw error
  }
}

/** What lies ready before Firecracker is started. */
interface PreparedMachine {
  readonly firecracker: string
  readonly terminal: boolean
  readonly further: number
  /** Names of the ports, in the order of their numbers. */
  readonly ports: readonly string[]
  readonly folder: MachineFolder
  /** What its cage mounts, but for Firecracker and its devices. */
  readonly view: Pick<MachineView, 'workload' | 'folder' | 'kernel' | 'image' | 'files'>
}

async function prepareMachine(plan: WorkloadPlan, options: MachineOptions): Promise<PreparedMachine> {
  const { settings, cache, devices = FIRECRACKER_DEVICES } = options
  const firecracker = requireFirecracker(settings.firecracker ?? '', devices)
  requireVmmSum(firecracker, settings.vmmSha256)
  const kernel = requireKernel({ path: settings.kernel, sha256: settings.kernelSha256, vmm: 'firecracker' })
  if (settings.image === undefined)
    throw new CageError('config_invalid', 'microvm.vmm: firecracker needs microvm.image')
  const terminal = getsTerminal(options)
  const further = options.open ? FURTHER_SESSIONS : 0
  const ports = machinePorts({ terminal, further }).flatMap((group) => group.map(({ name }) => name))
  const folder = await makeFolder(options.scratch, settings.diskMebibytes)
  const initramfs = hostInitramfs(kernel, { vmm: 'firecracker', bus: 'mmio', disks: true }, await vsockChannel(ports))
  await writeFile(join(folder.folder, 'initramfs'), initramfs, { mode: 0o600 })
  const view = {
    workload: copiedMounts(plan.mounts, settings.volumes ?? []),
    folder: folder.folder,
    kernel: await bootableKernel(kernel, cache, 'firecracker'),
    image: await imageDisk(settings.image, cache),
    files: folder.files,
  }
  return { firecracker, terminal, further, ports, folder, view }
}

interface StartOptions {
  readonly plan: WorkloadPlan
  readonly moat: MoatNamespaces
  readonly options: MachineOptions
  readonly sockets: PortSockets
}

/** Starts Firecracker in its cage, has it make the machine, and waits for the guest. */
async function startMachine(
  { firecracker, terminal, further, folder, view }: PreparedMachine,
  { plan, moat, options, sockets }: StartOptions,
): Promise<Workload> {
  const { settings, signal, limits, patience, devices = FIRECRACKER_DEVICES } = options
  const shown = machineMounts({ ...view, ...folder, vmm: firecracker, serves: false, devices })
  const vmm = await launchWorkload(vmmPlan(shown, plan), moat, {
    stdio: ['ignore', 'pipe', 'pipe'],
    limits,
    signal,
  })
  await startVmm(vmm, join(folder.own, 'api'), { requests: requestsOf(settings), patience, signal })
  return bootGuest({
    plan: { ...plan, mounts: view.workload },
    accelerator: 'kvm',
    vmm,
    sockets,
    terminal,
    further,
    image: true,
    scratchDisk: folder.scratch !== undefined,
    link: { network: TAP_NETWORK, filesDisk: true, terminalDevice: (session) => `/run/ports/tty${session}` },
    ...options,
  })
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
