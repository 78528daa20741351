/** What connects guest and host. Ports are found by their names, terminals by their order. */
export interface Port {
  readonly name: string
  readonly terminal: boolean
}

export const CONTROL_PORT = 'control'
/** Commands that a machine takes beside its own, at once; their sessions have the numbers from 1. */
export const FURTHER_SESSIONS = 3

/**
 * The ports of a machine, by the device that they hang on. A device tells its guest two things of each port, three of each
 * terminal, through a queue of 32 places, and forgets what finds none: hence two devices.
 */
export function machinePorts({ terminal, further }: PortsOptions): readonly (readonly Port[])[] {
  const first = [{ name: CONTROL_PORT, terminal: false }, ...(terminal ? [terminalPort(0)] : pipePorts(0))]
  const numbers = Array.from({ length: further }, (_, index) => index + 1)
  const rest = [...numbers.flatMap(pipePorts), ...numbers.map(terminalPort)]
  return rest.length === 0 ? [first] : [first, rest]
}

export interface PortsOptions {
  /** Whether the machine's own command has a terminal, or pipes. */
  readonly terminal: boolean
  /** How many further sessions there may be at once; each has both. */
  readonly further: number
}

/** The device of a session's terminal in the guest; `own`: whether the machine's own command has one. */
export function terminalDevice(session: number, own: boolean): string {
  return `/dev/hvc${own ? session : Math.max(session - 1, 0)}`
}

export function pipePorts(session: number): readonly Port[] {
  return ['in', 'out', 'err'].map((name) => ({ name: `${name}${session}`, terminal: false }))
}

export function terminalPort(session: number): Port {
  return { name: `tty${session}`, terminal: true }
}
