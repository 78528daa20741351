import type { Socket } from 'node:net'
import { CageError } from '../../errors.ts'
import type { Workload } from '../process/launch-workload.ts'
import { formatHostLine, GuestLines, type GuestExit, type GuestLine, type HostLine } from './channel-line.ts'
import { CHANNEL_VERSION } from './guest-init.ts'

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

/** How long a guest may take to send a signal on, in milliseconds: emulated on a busy host, it takes seconds. */
const SILENCE = 120_000

/** A session that the guest was asked for. */
export interface OpenSession {
  readonly started: Promise<void>
  /** Its end as the guest tells it. */
  readonly exit: Promise<GuestExit>
}

interface PendingSession extends OpenSession {
  readonly begin: PromiseWithResolvers<void>
  readonly end: PromiseWithResolvers<GuestExit>
  hasBegun: boolean
  /** Timers of signals that the guest has not answered, the oldest first. */
  readonly unanswered: NodeJS.Timeout[]
}

/** A guest that is ready: asks it for sessions and hears how they go. Whatever it says that was not to come ends it. */
export class Machine {
  readonly #machine: BootingMachine
  readonly #silence: number
  readonly #sessions = new Map<number, PendingSession>()
  #failure: Error | undefined

  /** `silence`: how long the guest may take to send a signal on, in milliseconds. */
  constructor(machine: BootingMachine, lines: Lines, silence = SILENCE) {
    this.#machine = machine
    this.#silence = silence
    void this.#hear(lines)
  }

  /** Asks for a session; `lines` come before it. */
  start(session: number, streams: 'pipes' | 'tty', lines: readonly HostLine[]): OpenSession {
    const [begin, end] = [Promise.withResolvers<void>(), Promise.withResolvers<GuestExit>()]
    for (const { promise } of [begin, end]) promise.catch(() => undefined) // Whoever awaits it learns it.
    const pending = { begin, end, started: begin.promise, exit: end.promise, hasBegun: false, unanswered: [] }
    if (this.#failure === undefined) this.#sessions.set(session, pending)
    else reject(pending, this.#failure)
    sendLines(this.#machine.control, [...lines, { kind: 'start', session, streams }])
    return pending
  }

  /** False when the session has ended. */
  kill(session: number, signal: NodeJS.Signals): boolean {
    const pending = this.#sessions.get(session)
    if (pending === undefined || this.#failure !== undefined) return false
    const message = `the guest fell silent: it did not take ${signal} within ${this.#silence / 1000} s`
    const late = setTimeout(() => this.#fail(new CageError('workload_failed', message)), this.#silence)
    pending.unanswered.push(late.unref())
    sendLines(this.#machine.control, [{ kind: 'signal', session, signal }])
    return true
  }

  resize(session: number, rows: number, columns: number): void {
    if (this.#sessions.has(session)) sendLines(this.#machine.control, [{ kind: 'resize', session, rows, columns }])
  }

  /** Ends the machine, and waits for that. */
  async end(): Promise<void> {
    this.destroy()
    await this.#machine.vmm.exited.catch(() => undefined)
    this.#machine.control.destroy()
  }

  destroy(): void {
    this.#machine.vmm.destroy()
  }

  async #hear(lines: Lines): Promise<void> {
    try {
      for await (const line of lines) this.#take(line)
      this.#fail(ended(this.#machine.console()))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #take(line: GuestLine): void {
    const pending = 'session' in line ? this.#sessions.get(line.session) : undefined
    if (line.kind === 'signalled') {
      // One that crossed the end of its session is answered when there may be none any more.
      clearTimeout(pending?.unanswered.shift())
      return
    }
    const isDue = line.kind === 'exit' || (line.kind === 'started' && pending?.hasBegun === false)
    if (pending === undefined || !isDue)
      throw new CageError('workload_failed', `the guest said ${line.kind}, which was not to come`)
    pending.hasBegun = true
    pending.begin.resolve()
    if (line.kind === 'started') return
    this.#sessions.delete(line.session)
    pending.unanswered.forEach(clearTimeout)
    pending.end.resolve(line)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const pending of this.#sessions.values()) reject(pending, this.#failure)
    this.#sessions.clear()
    this.destroy()
  }
}

function reject({ begin, end, unanswered }: PendingSession, error: Error): void {
  unanswered.forEach(clearTimeout)
  begin.reject(error)
  end.reject(error)
}

function ended(console: string): CageError {
  const said = console === '' ? '' : ` (${console})`
  return new CageError('workload_failed', `the machine ended before its command did${said}`, {
    hint: 'Its kernel failed or was out of memory (microvm.mem_mb), the VMM was killed, or the workload ended the machine.',
  })
}
