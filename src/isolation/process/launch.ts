import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { CageError } from '../../errors.ts'
import { inheritableDescriptors } from '../../system/process.ts'
import type { WorkloadPlan } from '../isolation.ts'
import { bubblewrapArguments, DESCRIPTORS, type BubblewrapArguments } from './bubblewrap.ts'
import { expectMounts, verifyMounts } from './launch-mounts.ts'
import { requireProgram } from './launch-programs.ts'
import { hasTerminal, isTerminal } from './launch-terminal.ts'
import { readable, RunningCage, type Workload } from './launch-workload.ts'
import type { AppliedLimits } from './limits.ts'
import type { Argv } from './limits-holder.ts'
import type { Moat } from './moat.ts'
import { guardMounts, type MountGuard } from './mount-guard.ts'
import { machineArchitecture, seccompProgram } from './seccomp.ts'

export type { Workload } from './launch-workload.ts'

/** Standard input, output and error of the workload: ours, a stream to us, nothing, or a descriptor. */
export type StdioEntry = 'inherit' | 'pipe' | 'ignore' | number

export interface LaunchOptions {
  readonly stdio: readonly [StdioEntry, StdioEntry, StdioEntry]
  /** Where the limits are held; absent: nowhere. */
  readonly limits?: AppliedLimits | undefined
  /** Ends the whole cage at once when aborted. */
  readonly signal?: AbortSignal | undefined
  /** Takes warnings. With it, mounts that the host takes away by replacing what lies below are put back. */
  readonly log?: ((message: string) => void) | undefined
}

/** Of a moat; another process of this user may be the one that serves it. */
export type MoatNamespaces = Pick<Moat, 'userNamespace' | 'networkNamespace'>

/**
 * Starts the workload in the moat; the promise waits for the command's turn. Throws `host_unsupported` when namespaces,
 * seccomp or a program are missing, `workload_failed` when the file system cannot be laid out, with the reason; `mount_refused` when
 * it is not what was planned.
 *
 * The chain is nsenter, [setpriv, sh,] unshare, setpriv, sh, unshare, setpriv, bwrap, sh, COMMAND. Each becomes the next, but for forks:
 * - `sh` stays (KEEPER), and bwrap is the first process of a process namespace around the cage's own. A signal from the
 *   terminal therefore reaches neither: the command alone decides about Ctrl-C. (bwrap by itself ends from SIGINT and,
 *   with --die-with-parent, takes a command with it that handles SIGINT.) bwrap looks its child up in /proc, so that one
 *   is mounted that belongs to the namespace; the capability to do so is given up before bwrap starts.
 * - bwrap is its own init in the cage; the command has process id 2 there.
 * When this process dies, the kernel ends `sh` (setpriv --pdeathsig), then bwrap and with it both process namespaces.
 */
export async function launchWorkload(
  plan: WorkloadPlan,
  moat: MoatNamespaces,
  options: LaunchOptions,
): Promise<Workload> {
  options.signal?.throwIfAborted()
  const architecture = machineArchitecture()
  if (architecture === undefined) {
    throw new CageError('host_unsupported', `no seccomp filter for this machine (${process.arch})`, {
      hint: 'Process isolation runs on x86_64 and aarch64.',
    })
  }
  const terminal = hasTerminal(options.stdio[0])
  if (!terminal && isTerminal(options.stdio[0]))
    return launchWorkload(plan, moat, { ...options, stdio: withoutInput(options.stdio) })
  const expected = expectMounts(plan.mounts)
  const bubblewrap = bubblewrapArguments(plan, {
    newSession: !terminal,
    processLimit: options.limits?.processLimit ?? 0,
  })
  const { child, stderr } = start(chain(bubblewrap, moat, { ...options, terminal }), bubblewrap, options)
  let guard: MountGuard | undefined
  const inspect = (pid: number): void => {
    verifyMounts(expected, pid)
    if (options.log !== undefined)
      guard = guardMounts(expected, pid, { userNamespace: moat.userNamespace, log: options.log })
  }
  const cage = new RunningCage(child, { terminal, stderr, inspect })
  const endGuard = (): void => guard?.[Symbol.dispose]()
  cage.exited.then(endGuard, endGuard)
  feed(child, DESCRIPTORS.options, bubblewrap.options)
  feed(child, DESCRIPTORS.seccomp, seccompProgram(architecture))
  options.signal?.addEventListener('abort', () => cage.destroy(), { once: true })
  await cage.begun
  return cage
}

/**
 * $1: the process id of who must be the parent, in case it died before the kernel was told to watch it; empty: that of
 * JOB_KEEPER. The variables were for systemd-run, or from it.
 */
const KEEPER = `
test "$PPID" = "\${1:-$JOB_KEEPER}" || exit 125
if test -z "$1"; then
  read -r _ _ _ _ group _ </proc/$$/stat
  test "$group" = $$ || { echo 'the shell has no job control' >&2; exit 125; }
fi
shift
unset JOB_KEEPER XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS INVOCATION_ID
trap : HUP INT QUIT TERM USR1 USR2
"$@"
exit $?
`

/**
 * With a terminal, another `sh` stands before all that, and the rest is its job: in a process group of its own that has
 * the terminal. Groups reach across process namespaces: in ours, `kill -9 0` in the cage would end us and whoever
 * started us. When the job stops, as by Ctrl-Z, the shell gives the terminal back and stops our group, so that who
 * started us sees a job that stopped.
 */
const JOB_KEEPER = `
test "$PPID" = "$1" || exit 125
shift
trap : HUP INT QUIT TERM USR1 USR2
export JOB_KEEPER=$$
set -m
"$@"
code=$?
while kill -0 %1 2>/dev/null; do
  set +m
  kill -TSTP 0
  set -m
  fg %1 >/dev/null
  code=$?
done
exit $code
`

type ChainOptions = Pick<LaunchOptions, 'limits'> & { readonly terminal: boolean }

function chain(bubblewrap: BubblewrapArguments, moat: MoatNamespaces, { limits, terminal }: ChainOptions): Argv {
  const unshare = requireProgram('unshare')
  const setpriv = requireProgram('setpriv')
  const namespaces = [`--user=${moat.userNamespace}`, `--net=${moat.networkNamespace}`]
  const watched = [setpriv, '--pdeathsig', 'KILL', '--', requireProgram('sh'), '-c']
  const rest = [
    [...namespaces, '--preserve-credentials', '--'],
    terminal ? [...watched, JOB_KEEPER, 'agentcage', String(process.pid)] : [],
    [unshare, '--user', '--map-current-user', '--keep-caps', '--pid', '--'],
    [...watched, KEEPER, 'agentcage', terminal ? '' : String(process.pid)],
    [unshare, '--mount-proc', '--'],
    [setpriv, '--ambient-caps', '-all', '--inh-caps', '-all', '--'],
    [requireProgram('bwrap'), ...bubblewrap.command],
  ]
  const argv: Argv = [requireProgram('nsenter'), ...rest.flat()]
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
    for (const descriptor of [DESCRIPTORS.options, DESCRIPTORS.seccomp, DESCRIPTORS.started]) {
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

function feed(child: ChildProcess, descriptor: number, bytes: Buffer): void {
  const stream = (child.stdio as readonly unknown[])[descriptor] as Writable
  stream.on('error', () => undefined) // The launcher ended before it read this; why is on its standard error.
  stream.end(bytes)
}

/** Whose session has no right to the terminal would still read what its user types. */
function withoutInput([, stdout, stderr]: LaunchOptions['stdio']): LaunchOptions['stdio'] {
  return ['ignore', stdout, stderr]
}
