import type { Socket } from 'node:net'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import type { WorkloadPlan } from '../isolation.ts'
import type { LaunchOptions, Workload } from '../process/launch.ts'
import { fileLines, type HostLine } from './channel-line.ts'
import { consoleTail } from './console-tail.ts'
import { CONTROL_PORT } from './guest-init.ts'
import { commandScript, setupScript, terminalScript } from './guest-setup.ts'
import { connectStreams, connectTerminal, type ConnectedStreams, type OwnStreams } from './guest-streams.ts'
import { writablePlaces } from './machine-mounts.ts'
import { expectLine, readLines, RunningMachine, sendLines } from './machine.ts'
import type { PortSockets } from './port-sockets.ts'
import { QEMU_NETWORK, type Accelerator } from './qemu.ts'

/** How long a guest may take until its command runs, in milliseconds. Emulated, on a busy host, it takes many seconds. */
const PATIENCE: Readonly<Record<Accelerator, number>> = { kvm: 20_000, tcg: 240_000 }

export interface BootOptions {
  readonly plan: WorkloadPlan
  readonly accelerator: Accelerator
  /** How long the guest may take until its command runs, in milliseconds. Default: by the accelerator. */
  readonly patience?: number | undefined
  /** The VMM in its cage, about to start the machine. */
  readonly vmm: Workload
  readonly sockets: PortSockets
  readonly terminal: boolean
  /** Whether the machine has a disk for what the guest writes. */
  readonly scratchDisk: boolean
  readonly stdio: LaunchOptions['stdio']
  readonly own: OwnStreams
  readonly signal?: AbortSignal | undefined
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
  const { vmm, sockets, terminal, stdio, own } = options
  const console = consoleTail(vmm.stdout, vmm.stderr)
  const gone = vmm.exited.then(
    () => undefined,
    () => undefined,
  )
  const control = await Promise.race([sockets.socket(CONTROL_PORT), gone])
  if (control === undefined) throw new CageError('workload_failed', `the VMM ended: ${console() || 'without a reason'}`)
  const machine = { vmm, control, console }
  const lines = readLines(control)
  await expectLine(lines, 'hello', machine)
  sendLines(control, firstLines(options))
  await expectLine(lines, 'ready', machine)
  await expectLine(lines, 'started', machine)
  const connecting = terminal ? terminalOf(sockets, control, own) : pipesOf(sockets, control, { stdio, own })
  const streams = await Promise.race([connecting, gone])
  if (streams === undefined) throw new CageError('workload_failed', 'the VMM ended without connecting all ports')
  return new RunningMachine(machine, { lines, streams, terminal })
}

/** All at once: the guest answers as it gets to each. */
function firstLines({ plan, terminal, scratchDisk, own }: BootOptions): readonly HostLine[] {
  const user = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const setup = setupScript({
    network: QEMU_NETWORK,
    writable: writablePlaces(plan.mounts),
    scratchDisk,
  })
  const command = commandScript(plan, { user, setpriv: findProgram('setpriv') ?? 'setpriv' })
  return [
    { kind: 'clock', seconds: Math.floor(Date.now() / 1000) },
    ...fileLines('setup', Buffer.from(setup)),
    { kind: 'setup' },
    ...(terminal ? fileLines('terminal0', Buffer.from(terminalScript(0, { user, ...sizeOf(own) }))) : []),
    ...fileLines('command0', Buffer.from(command)),
    { kind: 'start', session: 0, streams: terminal ? 'tty' : 'pipes' },
  ]
}

async function terminalOf(sockets: PortSockets, control: Socket, own: OwnStreams): Promise<ConnectedStreams> {
  const onResize = (): void => sendLines(control, [{ kind: 'resize', session: 0, ...sizeOf(own) }])
  return connectTerminal(await sockets.socket('tty0'), { own, onResize })
}

async function pipesOf(
  sockets: PortSockets,
  control: Socket,
  options: { readonly stdio: LaunchOptions['stdio']; readonly own: OwnStreams },
): Promise<ConnectedStreams> {
  const onClosed = (): void => sendLines(control, [{ kind: 'signal', session: 0, signal: 'SIGPIPE' }])
  const [input, output, errors] = await Promise.all([
    sockets.socket('in0'),
    sockets.socket('out0'),
    sockets.socket('err0'),
  ])
  return connectStreams([input, output, errors], { entries: options.stdio, own: options.own, onClosed })
}

/** A terminal that does not tell its size is taken for the smallest usual one. */
function sizeOf({ stdout }: OwnStreams): { readonly rows: number; readonly columns: number } {
  const { rows, columns } = stdout as { readonly rows?: number; readonly columns?: number }
  return { rows: rows || 24, columns: columns || 80 }
}
