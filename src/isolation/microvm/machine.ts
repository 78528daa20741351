import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { CageError } from '../../errors.ts'
import type { WorkloadExit } from '../isolation.ts'
import type { Workload } from '../process/launch-workload.ts'
import { formatHostLine, GuestLines, type GuestLine, type HostLine } from './channel-line.ts'
import { CHANNEL_VERSION } from './guest-init.ts'
import type { ConnectedStreams } from './guest-streams.ts'

/** A guest that is about to start, before it can be trusted to answer. */
export interface BootingMachine {
  /** The VMM in its cage. */
  readonly vmm: Workload
  readonly control: Socket
  /** The end of what the machine printed. */
  readonly console: () => string
}

/** The lines of a guest, one after another; a guest that nobody listens to is held back. */
export type Lines = AsyncGenerator<GuestLine, void, void>

/** Throws a CageError when the guest says what no guest says. */
export async function* readLines(control: Socket): Lines {
  const lines = new GuestLines()
  try {
    for await (const chunk of control as AsyncIterable<Buffer>) yield* lines.push(chunk)
  } catch (error) {
    if (error instanceof RangeError) throw new CageError('workload_failed', error.message)
    // The VMM ended in the middle of a line; who waits for the next one says so.
  }
}

export function sendLines(control: Socket, lines: readonly HostLine[]): void {
  if (!control.destroyed) control.write(lines.map(formatHostLine).join(''))
}

/** Waits for a line that must come next. Throws `workload_failed` when another one comes, or the guest ends. */
export async function expectLine(lines: Lines, kind: GuestLine['kind'], { console }: BootingMachine): Promise<void> {
  const { value: line } = await lines.next()
  if (line === undefined) throw ended(console())
  if (line.kind === 'failed') throw new CageError('workload_failed', `the guest cannot be made ready: ${line.text}`)
  if (line.kind !== kind || (line.kind === 'hello' && line.version !== CHANNEL_VERSION))
    throw new CageError('workload_failed', `the guest said ${line.kind} where ${kind} was to come`)
}

export interface RunningOptions {
  readonly lines: Lines
  readonly streams: ConnectedStreams
  readonly terminal: boolean
}

/** A command in a guest, seen from the host. */
export class RunningMachine implements Workload {
  readonly pid = undefined
  readonly terminal: boolean
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  readonly exited: Promise<WorkloadExit>
  readonly #machine: BootingMachine
  #ended = false

  constructor(machine: BootingMachine, { lines, streams, terminal }: RunningOptions) {
    this.#machine = machine
    this.terminal = terminal
    this.stdin = streams.stdin
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    this.exited = this.#whenEnded(lines, streams)
    this.exited.catch(() => undefined) // Whoever awaits it learns it.
  }

  kill(signal: NodeJS.Signals): boolean {
    if (this.#ended) return false
    sendLines(this.#machine.control, [{ kind: 'signal', session: 0, signal }])
    return true
  }

  destroy(): void {
    this.#machine.vmm.destroy()
  }

  /** With the command, the machine ends; what it wrote is in our sockets by then. */
  async #whenEnded(lines: Lines, streams: ConnectedStreams): Promise<WorkloadExit> {
    try {
      const code = await exitCode(lines)
      if (code === undefined) throw ended(this.#machine.console())
      return { code }
    } finally {
      this.#ended = true
      this.destroy()
      await this.#machine.vmm.exited.catch(() => undefined)
      await streams.drained
      streams.release()
      this.#machine.control.destroy()
    }
  }
}

async function exitCode(lines: Lines): Promise<number | undefined> {
  for await (const line of lines) {
    if (line.kind === 'exit' && line.session === 0) return line.code
    throw new CageError('workload_failed', `the guest said ${line.kind}, which was not to come`)
  }
  return undefined
}

function ended(console: string): CageError {
  const said = console === '' ? '' : ` (${console})`
  return new CageError('workload_failed', `the machine ended before its command did${said}`, {
    hint: 'Its kernel failed or was out of memory (microvm.mem_mb), the VMM was killed, or the workload ended the machine.',
  })
}
