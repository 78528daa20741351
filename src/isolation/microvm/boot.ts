import { CageError } from '../../errors.ts'
import type { Mount, WorkloadPlan } from '../isolation.ts'
import type { LaunchOptions, Workload } from '../process/launch.ts'
import { fileLines, type HostLine } from './channel-line.ts'
import { consoleTail } from './console-tail.ts'
import { clockLine, keepClock } from './guest-clock.ts'
import { CONTROL_PORT } from './guest-ports.ts'
import type { OverImage } from './guest-image.ts'
import { setupScript, type GuestNetwork } from './guest-setup.ts'
import { connectSession, sizeOf, type OwnStreams } from './guest-streams.ts'
import { boundPlaces, emptyFolders, overImage, writablePlaces } from './machine-mounts.ts'
import { expectLine, Machine, readLines, sendLines } from './machine.ts'
import type { PortSockets } from './port-sockets.ts'
import { QEMU_NETWORK, type Accelerator } from './qemu.ts'
import { ownUser, Sessions } from './session.ts'

/** How long a guest may take until its command runs, in milliseconds. Emulated, on a busy host, it takes many seconds. */
export const PATIENCE: Readonly<Record<Accelerator, number>> = { kvm: 20_000, tcg: 240_000 }

export interface BootOptions {
  readonly plan: WorkloadPlan
  readonly accelerator: Accelerator
  /** How long the guest may take until its command runs, in milliseconds. Default: by the accelerator. */
  readonly patience?: number | undefined
  /** The VMM in its cage, about to start the machine. */
  readonly vmm: Workload
  readonly sockets: PortSockets
  readonly terminal: boolean
  /** For how many commands beside the first it has ports. */
  readonly further: number
  /** Whether its root is an image's. */
  readonly image: boolean
  /** Whether the machine has a disk for what the guest writes. */
  readonly scratchDisk: boolean
  /** How the guest is connected where that is not as with QEMU. */
  readonly link?: GuestLink | undefined
  readonly stdio: LaunchOptions['stdio']
  readonly own: OwnStreams
  readonly signal?: AbortSignal | undefined
}

/** What a guest is told of a machine that has neither QEMU's network nor its ports and shares. */
export interface GuestLink {
  readonly network: GuestNetwork
  /** Whether its second disk holds what it sees of the host. */
  readonly filesDisk: boolean
  readonly terminalDevice: (session: number) => string
}

/**
 * Waits for the guest, tells it what to run, and is done when that has begun. Whatever goes wrong ends the VMM, and throws
 * `workload_failed`.
 */
export async function bootGuest(options: BootOptions): Promise<Workload> {
  const { vmm, accelerator, patience = PATIENCE[accelerator] } = options
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    vmm.destroy()
  }, patience)
  try {
    return await begin(options)
  } catch (error) {
    vmm.destroy()
    await vmm.exited.catch(() => undefined)
    if (isLate) throw new CageError('workload_failed', `the guest did not answer within ${patience / 1000} s`)
    throw error
  } finally {
    clearTimeout(late)
  }
}

async function begin(options: BootOptions): Promise<Workload> {
  const { vmm, sockets, plan, terminal, stdio, own, further } = options
  const console = consoleTail(vmm.stdout, vmm.stderr)
  const gone = vmm.exited.then(
    () => undefined,
    () => undefined,
  )
  const control = await Promise.race([sockets.socket(CONTROL_PORT), gone])
  if (control === undefined) throw new CageError('workload_failed', `the VMM ended: ${console() || 'without a reason'}`)
  const booting = { vmm, control, console }
  const lines = readLines(control)
  await expectLine(lines, 'hello', booting)
  sendLines(control, firstLines(options))
  await expectLine(lines, 'ready', booting)
  keepClock(control)
  const sessions = new Sessions(new Machine(booting, lines), sockets, {
    hasTerminal: terminal,
    further,
    image: options.image,
    terminalDevice: options.link?.terminalDevice,
  })
  const first = await Promise.race([sessions.first({ ...plan, terminal: terminal ? sizeOf(own) : undefined }), gone])
  if (first === undefined) throw new CageError('workload_failed', 'the VMM ended before the command began')
  const workload = connectSession(first, { stdio, own })
  return further === 0 ? workload : { ...workload, enter: (request) => sessions.enter(request) }
}

/** All at once: the guest answers as it gets to each. */
function firstLines({ plan, scratchDisk, image, link }: BootOptions): readonly HostLine[] {
  const setup = setupScript({
    network: link?.network ?? QEMU_NETWORK,
    filesDisk: link?.filesDisk,
    writable: writablePlaces(plan.mounts),
    scratchDisk,
    image: image ? placesOver(overImage(plan.mounts)) : undefined,
  })
  return [clockLine(), ...fileLines('setup', Buffer.from(setup)), { kind: 'setup' }]
}

function placesOver(mounts: readonly Mount[]): OverImage {
  return { user: ownUser(), folders: emptyFolders(mounts), places: boundPlaces(mounts) }
}
