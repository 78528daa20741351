import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Duplex, Readable, Writable } from 'node:stream'
import { childrenOf, namespaceIdsOf } from '../../system/process.ts'
import { boundedText } from '../../system/spawn.ts'
import type { WorkloadExit } from '../isolation.ts'
import type { GuestSession, SessionRequest } from '../session.ts'
import { DESCRIPTORS } from './bubblewrap.ts'
import { launchFailure } from './launch-failure.ts'

/** A workload whose command has begun. */
export interface Workload {
  /** Process id of the command on the host; undefined when it has ended already. */
  readonly pid: number | undefined
  /** Whether the workload has our terminal: the terminal itself then delivers SIGINT, SIGQUIT and SIGTSTP. */
  readonly terminal: boolean
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  /**
   * When nothing of the cage runs any more. `code` follows the shell's convention (128 + N after a signal);
   * `signal` is set when the cage itself was ended by it, not when it ended the command inside.
   */
  readonly exited: Promise<WorkloadExit>
  /** Sends the signal to the command, as its parent would. False when it has ended. */
  kill(signal: NodeJS.Signals): boolean
  /** Ends every process of the cage. */
  destroy(): void
  /** Runs another command where this one runs; absent where commands are cages of their own. */
  readonly enter?: ((request: SessionRequest) => Promise<GuestSession>) | undefined
}

/** The chain of processes that `launchWorkload` started, seen from its first one. */
export class RunningCage implements Workload {
  readonly terminal: boolean
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  readonly begun: Promise<void>
  readonly exited: Promise<WorkloadExit>
  readonly #child: ChildProcess
  #ended = false
  #command: number | undefined

  /** `inspect` looks at the cage by its first process, before the command runs; what it throws ends the cage. */
  constructor(
    child: ChildProcess,
    { terminal, stderr, inspect }: Pick<Workload, 'terminal' | 'stderr'> & { readonly inspect: (pid: number) => void },
  ) {
    this.#child = child
    this.terminal = terminal
    this.stdin = child.stdin ?? undefined
    this.stdout = child.stdout ?? undefined
    this.stderr = stderr
    const complaints = boundedText(readable(child, 2), 16_384)
    this.exited = this.#whenEnded()
    this.begun = this.#whenBegun(complaints, inspect)
    this.exited.catch(() => undefined) // `begun` says it too.
  }

  get pid(): number | undefined {
    if (this.#ended) return undefined
    this.#command ??= this.#findCommand()
    return this.#command
  }

  kill(signal: NodeJS.Signals): boolean {
    const { pid } = this
    if (pid === undefined || namespaceIdsOf(pid)?.at(-1) !== COMMAND_PID) return false
    try {
      return process.kill(pid, signal)
    } catch {
      return false
    }
  }

  /** bwrap is the first process of its namespace: with it the kernel ends all others, and only then does `sh` go on. */
  destroy(): void {
    const pid = this.#keeper()
    if (this.#ended || pid === undefined) return
    const [init] = childrenOf(pid)
    try {
      process.kill(init ?? pid, 'SIGKILL')
    } catch {
      // Gone in between.
    }
  }

  #whenEnded(): Promise<WorkloadExit> {
    const exit = new Promise<WorkloadExit>((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (code, signal) => {
        this.#ended = true
        resolve(signal === null ? { code: code ?? 1 } : { code: 128 + constants.signals[signal], signal })
      })
    })
    const complained = whenClosed(readable(this.#child, 2))
    return exit.then(async (result) => {
      await complained
      return result
    })
  }

  #whenBegun(complaints: () => string, inspect: (pid: number) => void): Promise<void> {
    const started = (this.#child.stdio as readonly unknown[])[DESCRIPTORS.started] as Duplex
    const signalled = new Promise<boolean>((resolve) => {
      started.once('data', () => resolve(true))
      started.once('close', () => resolve(false))
      started.on('error', () => resolve(false))
    })
    return signalled.then(async (ready) => {
      if (ready) return this.#goAhead(started, inspect)
      await this.exited.catch((error: Error) => Promise.reject(launchFailure(error.message)))
      throw launchFailure(complaints())
    })
  }

  async #goAhead(started: Duplex, inspect: (pid: number) => void): Promise<void> {
    try {
      const { pid } = this
      if (pid === undefined) throw launchFailure('the cage ended while it was made')
      inspect(pid)
      started.write('\n')
    } catch (error) {
      this.destroy()
      await this.exited.catch(() => undefined)
      throw error
    }
  }

  /** The parent of bwrap. With a terminal, that is the job of a shell. */
  #keeper(): number | undefined {
    const { pid } = this.#child
    return pid === undefined || !this.terminal ? pid : (childrenOf(pid)[0] ?? pid)
  }

  /** sh, bwrap as init of the outer namespace, bwrap as init of the cage, the command. */
  #findCommand(): number | undefined {
    const inits = childrenOf(this.#keeper() ?? 0).flatMap(childrenOf)
    return inits.flatMap(childrenOf).find((pid) => namespaceIdsOf(pid)?.at(-1) === COMMAND_PID)
  }
}

/** What bwrap's init forks first. */
const COMMAND_PID = 2

function whenClosed(stream: Readable): Promise<void> {
  return new Promise((resolve) => void stream.once('close', () => resolve()))
}

/** What the child writes to the descriptor. */
export function readable(child: ChildProcess, descriptor: number): Readable {
  return (child.stdio as readonly unknown[])[descriptor] as Readable
}
