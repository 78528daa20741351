import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { CageError } from '../../errors.ts'
import { childrenOf, inheritableDescriptors, namespaceIdsOf } from '../../system/process.ts'
import { boundedText } from '../../system/spawn.ts'
import type { WorkloadExit, WorkloadPlan } from '../isolation.ts'
import { bubblewrapArguments, DESCRIPTORS, type BubblewrapArguments } from './bubblewrap.ts'
import { launchFailure } from './launch-failure.ts'
import { requireProgram } from './launch-programs.ts'
import type { AppliedLimits } from './limits.ts'
import type { Argv } from './limits-holder.ts'
import type { Moat } from './moat.ts'
import { machineArchitecture, seccompProgram } from './seccomp.ts'

/** Standard input, output and error of the workload: ours, a stream to us, nothing, or a descriptor. */
export type StdioEntry = 'inherit' | 'pipe' | 'ignore' | number

export interface LaunchOptions {
  readonly stdio: readonly [StdioEntry, StdioEntry, StdioEntry]
  /** Where the limits are held; absent: nowhere. */
  readonly limits?: AppliedLimits | undefined
  /** Ends the whole cage at once when aborted. */
  readonly signal?: AbortSignal | undefined
}

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
}

/**
 * Starts the workload in the moat; the promise waits for the command's turn. Throws `host_unsupported` when namespaces,
 * seccomp or a program are missing and `workload_failed` when the file system cannot be laid out, with the reason.
 *
 * The chain is nsenter, unshare, setpriv, sh, bwrap, sh, COMMAND. Each becomes the next, but for two forks:
 * - `sh` stays (KEEPER), and bwrap is the first process of a process namespace around the cage's own. A signal from the
 *   terminal therefore reaches neither: the command alone decides about Ctrl-C. (bwrap by itself ends from SIGINT and,
 *   with --die-with-parent, takes a command with it that handles SIGINT.)
 * - bwrap is its own init in the cage; the command has process id 2 there.
 * When this process dies, the kernel ends `sh` (setpriv --pdeathsig), then bwrap and with it both process namespaces.
 */
export async function launchWorkload(plan: WorkloadPlan, moat: Moat, options: LaunchOptions): Promise<Workload> {
  options.signal?.throwIfAborted()
  const architecture = machineArchitecture()
  if (architecture === undefined) {
    throw new CageError('host_unsupported', `no seccomp filter for this machine (${process.arch})`, {
      hint: 'Process isolation runs on x86_64 and aarch64.',
    })
  }
  const terminal = isTerminal(options.stdio[0])
  const bubblewrap = bubblewrapArguments(plan, {
    newSession: !terminal,
    processLimit: options.limits?.processLimit ?? 0,
  })
  const { child, stderr } = start(chain(bubblewrap, moat, options), bubblewrap, options)
  const cage = new RunningCage(child, terminal, stderr)
  feed(child, DESCRIPTORS.options, bubblewrap.options)
  feed(child, DESCRIPTORS.seccomp, seccompProgram(architecture))
  options.signal?.addEventListener('abort', () => cage.destroy(), { once: true })
  await cage.begun
  return cage
}

/**
 * $1: the process id of who must be the parent, in case it died before the kernel was told to watch it.
 * The variables were for systemd-run.
 */
const KEEPER = `
test "$PPID" = "$1" || exit 125
shift
unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
trap : HUP INT QUIT TERM USR1 USR2
"$@"
exit $?
`

function chain(bubblewrap: BubblewrapArguments, moat: Moat, { limits }: LaunchOptions): Argv {
  const argv: Argv = [
    requireProgram('nsenter'),
    ...[`--user=${moat.userNamespace}`, `--net=${moat.networkNamespace}`, '--preserve-credentials', '--'],
    ...[requireProgram('unshare'), '--user', '--map-current-user', '--pid', '--'],
    ...[requireProgram('setpriv'), '--pdeathsig', 'KILL', '--'],
    ...[requireProgram('sh'), '-c', KEEPER, 'agentcage', String(process.pid)],
    ...[requireProgram('bwrap'), ...bubblewrap.command],
  ]
  return limits?.wrap(argv) ?? argv
}

interface Started {
  readonly child: ChildProcess
  /** The workload's standard error, when it is to come to us. */
  readonly stderr: Readable | undefined
}

function start([file, ...args]: Argv, { emptyFiles }: BubblewrapArguments, options: LaunchOptions): Started {
  const nothing = openSync('/dev/null', 'r+')
  try {
    const stdio: (StdioEntry | 'pipe')[] = [options.stdio[0], options.stdio[1], 'pipe']
    for (const descriptor of [DESCRIPTORS.options, DESCRIPTORS.seccomp, DESCRIPTORS.status, DESCRIPTORS.started]) {
      stdio[descriptor] = 'pipe'
    }
    stdio[DESCRIPTORS.workloadErrors] = errorEntry(options.stdio[2], nothing)
    for (let index = 0; index < emptyFiles; index++) stdio[DESCRIPTORS.empty + index] = nothing
    // bubblewrap passes on what it finds open. A folder that our caller left open would be a way out of the cage.
    for (const descriptor of inheritableDescriptors()) stdio[descriptor] ??= nothing
    const child = spawn(file, args, {
      stdio: Array.from(stdio, (entry) => entry ?? 'ignore'),
      cwd: '/', // What the launcher has in its environment, PWD too, stands in the cage's /proc/1/environ.
      env: options.limits?.environment ?? {},
    })
    return { child, stderr: options.stdio[2] === 'pipe' ? readable(child, DESCRIPTORS.workloadErrors) : undefined }
  } finally {
    closeSync(nothing)
  }
}

/** Above standard error, Node has no descriptor to inherit by position and leaves out what is ignored. */
function errorEntry(entry: StdioEntry, nothing: number): StdioEntry {
  if (entry === 'inherit') return 2
  return entry === 'ignore' ? nothing : entry
}

function readable(child: ChildProcess, descriptor: number): Readable {
  return (child.stdio as readonly unknown[])[descriptor] as Readable
}

function feed(child: ChildProcess, descriptor: number, bytes: Buffer): void {
  const stream = (child.stdio as readonly unknown[])[descriptor] as Writable
  stream.on('error', () => undefined) // The launcher ended before it read this; why is on its standard error.
  stream.end(bytes)
}

class RunningCage implements Workload {
  readonly terminal: boolean
  readonly stdin: Writable | undefined
  readonly stdout: Readable | undefined
  readonly stderr: Readable | undefined
  readonly begun: Promise<void>
  readonly exited: Promise<WorkloadExit>
  readonly #child: ChildProcess
  #ended = false
  #command: number | undefined

  constructor(child: ChildProcess, terminal: boolean, stderr: Readable | undefined) {
    this.#child = child
    this.terminal = terminal
    this.stdin = child.stdin ?? undefined
    this.stdout = child.stdout ?? undefined
    this.stderr = stderr
    const complaints = boundedText(readable(child, 2), 16_384)
    const status = boundedText(readable(child, DESCRIPTORS.status), 16_384)
    const ended = this.#whenEnded()
    this.exited = ended.then((exit) => ({ ...exit, code: reportedCode(status()) ?? exit.code }))
    this.begun = this.#whenBegun(ended, complaints)
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
    const { pid } = this.#child
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
    const texts = [2, DESCRIPTORS.status].map((descriptor) => whenClosed(readable(this.#child, descriptor)))
    return exit.then(async (result) => {
      await Promise.all(texts)
      return result
    })
  }

  #whenBegun(ended: Promise<WorkloadExit>, complaints: () => string): Promise<void> {
    const signalled = new Promise<boolean>((resolve) => {
      const started = readable(this.#child, DESCRIPTORS.started)
      started.once('data', () => resolve(true))
      started.once('close', () => resolve(false))
      started.once('error', () => resolve(false))
    })
    return signalled.then(async (begun) => {
      if (begun) return
      await ended.catch((error: Error) => Promise.reject(launchFailure(error.message)))
      throw launchFailure(complaints())
    })
  }

  /** sh, bwrap as init of the outer namespace, bwrap as init of the cage, the command. */
  #findCommand(): number | undefined {
    const inits = childrenOf(this.#child.pid ?? 0).flatMap(childrenOf)
    return inits.flatMap(childrenOf).find((pid) => namespaceIdsOf(pid)?.at(-1) === COMMAND_PID)
  }
}

/** What bwrap's init forks first. */
const COMMAND_PID = 2

function whenClosed(stream: Readable): Promise<void> {
  return new Promise((resolve) => void stream.once('close', () => resolve()))
}

/** `{"exit-code": N}` among the JSON documents, which come without separators. Absent when the cage was ended from outside. */
function reportedCode(status: string): number | undefined {
  const code = /"exit-code"\s*:\s*(\d{1,3})/.exec(status)?.[1]
  return code === undefined ? undefined : Number(code)
}

function isTerminal(stdin: StdioEntry): boolean {
  if (stdin === 'inherit') return isatty(0)
  return typeof stdin === 'number' && isatty(stdin)
}
