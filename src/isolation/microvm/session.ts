import type { Readable, Writable } from 'node:stream'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import type { WorkloadExit } from '../isolation.ts'
import type { GuestSession, SessionRequest, TerminalSize } from '../session.ts'
import { fileLines, type GuestExit } from './channel-line.ts'
import { FURTHER_SESSIONS, pipePorts, terminalDevice, terminalPort } from './guest-ports.ts'
import type { GuestUser } from './guest-image.ts'
import { commandScript, terminalScript } from './guest-setup.ts'
import type { Machine, OpenSession } from './machine.ts'
import { PortOutput, portInput, terminalInput } from './port-streams.ts'
import type { PortSockets } from './port-sockets.ts'

/** How long the guest may take until a command runs, in milliseconds. */
const PATIENCE = 120_000

export interface SessionsOptions {
  /** Whether the machine's own command has a terminal. */
  readonly hasTerminal: boolean
  /** For how many others there are ports. */
  readonly further: number
  /** Whether the guest's root is an image's. */
  readonly image: boolean
  /** The device of a session's terminal in the guest; `own`: whether the machine's own command has one. */
  readonly terminalDevice?: ((session: number, own: boolean) => string) | undefined
}

/** The sessions of one machine. The machine ends with number 0. */
export class Sessions {
  readonly #machine: Machine
  readonly #sockets: PortSockets
  readonly #hasTerminal: boolean
  readonly #image: boolean
  readonly #terminalDevice: typeof terminalDevice
  readonly #free: number[]

  constructor(machine: Machine, sockets: PortSockets, options: SessionsOptions) {
    this.#machine = machine
    this.#sockets = sockets
    this.#hasTerminal = options.hasTerminal
    this.#image = options.image
    this.#terminalDevice = options.terminalDevice ?? terminalDevice
    this.#free = Array.from({ length: options.further }, (_, index) => index + 1)
  }

  /** The machine's own command. */
  first(request: SessionRequest): Promise<GuestSession> {
    return this.#begin(0, request)
  }

  /** Another command beside it. Throws `workload_failed` when all places are taken, or the guest does not answer. */
  async enter(request: SessionRequest): Promise<GuestSession> {
    const number = this.#free.shift()
    if (number === undefined) {
      throw new CageError('workload_failed', `the machine has ${FURTHER_SESSIONS} commands beside its own already`, {
        hint: 'Wait for one of them to end.',
      })
    }
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new CageError('workload_failed', 'the guest did not answer')), PATIENCE)
    const beginning = this.#begin(number, request)
    const leave = (): void => void this.#free.push(number)
    // One that begins too late has its place until it has ended.
    beginning.then(({ exited }) => exited.then(leave, leave)).catch(() => undefined)
    try {
      return await Promise.race([beginning, late.promise])
    } catch (error) {
      beginning.then(
        (session) => session.destroy(),
        () => undefined,
      )
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #begin(number: number, request: SessionRequest): Promise<GuestSession> {
    const ports = await this.#open(number, request.terminal !== undefined)
    const open = this.#machine.start(number, ports.terminal ? 'tty' : 'pipes', [
      ...fileLines(`command${number}`, Buffer.from(this.#command(request))),
      ...this.#terminal(number, request),
    ])
    await open.started
    return new RunningSession(this.#machine, number, { open, ports })
  }

  #command(request: SessionRequest): string {
    const setpriv = findProgram('setpriv') ?? 'setpriv'
    return commandScript(request, { user: ownUser(), setpriv, image: this.#image })
  }

  #terminal(number: number, { terminal }: SessionRequest): ReturnType<typeof fileLines> {
    if (terminal === undefined) return []
    const device = this.#terminalDevice(number, this.#hasTerminal)
    const script = terminalScript(number, { device, user: ownUser(), ...terminal })
    return fileLines(`terminal${number}`, Buffer.from(script))
  }

  async #open(number: number, terminal: boolean): Promise<SessionPorts> {
    if (terminal) {
      const socket = await this.#sockets.socket(terminalPort(number).name)
      return { terminal, input: terminalInput(socket), outputs: [new PortOutput(socket)] }
    }
    const names = pipePorts(number).map(({ name }) => name)
    const [input, ...outputs] = await Promise.all(names.map((name) => this.#sockets.socket(name)))
    if (input === undefined) throw new RangeError(`session ${number} has no ports`)
    return { terminal, input: portInput(input), outputs: outputs.map((socket) => new PortOutput(socket)) }
  }
}

/** Who runs this is who the workload is in the guest. */
export function ownUser(): GuestUser {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

interface SessionPorts {
  readonly terminal: boolean
  readonly input: Writable
  /** Standard output and error, or what the terminal shows. */
  readonly outputs: readonly PortOutput[]
}

class RunningSession implements GuestSession {
  readonly terminal: boolean
  readonly input: Writable
  readonly output: Readable
  readonly errors: Readable | undefined
  readonly exited: Promise<WorkloadExit>
  readonly #machine: Machine
  readonly #number: number

  constructor(
    machine: Machine,
    number: number,
    { open, ports }: { readonly open: OpenSession; readonly ports: SessionPorts },
  ) {
    const [output, errors] = ports.outputs
    if (output === undefined) throw new RangeError(`session ${number} has no output`)
    this.#machine = machine
    this.#number = number
    this.terminal = ports.terminal
    this.input = ports.input
    this.output = output.stream
    this.errors = errors?.stream
    this.exited = this.#whenEnded(open, ports)
    this.exited.catch(() => undefined) // Whoever awaits it learns it.
  }

  kill(signal: NodeJS.Signals): boolean {
    return this.#machine.kill(this.#number, signal)
  }

  resize({ rows, columns }: TerminalSize): void {
    if (this.terminal) this.#machine.resize(this.#number, rows, columns)
  }

  destroy(): void {
    if (this.#number === 0) this.#machine.destroy()
    else this.kill('SIGKILL')
  }

  async #whenEnded(open: OpenSession, { outputs }: SessionPorts): Promise<WorkloadExit> {
    try {
      const exit = await open.exit
      this.input.destroy()
      await Promise.all(outputs.map((output, index) => this.#finish(output, [exit.output, exit.errors][index] ?? 0)))
      return { code: exit.code }
    } finally {
      this.input.destroy()
      if (this.#number === 0) await this.#machine.end()
    }
  }

  #finish(output: PortOutput, total: GuestExit['output']): Promise<void> {
    return this.terminal ? output.finishTerminal() : output.finish(total)
  }
}
