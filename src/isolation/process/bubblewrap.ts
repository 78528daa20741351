import { CageError } from '../../errors.ts'
import type { Mount, WorkloadPlan } from '../isolation.ts'

/** Descriptors that bubblewrap is started with. Standard error is its own; the workload's comes as `workloadErrors`. */
export const DESCRIPTORS = {
  /** bubblewrap's options, each ended by NUL: command lines are readable for everybody, descriptors are not. */
  options: 3,
  seccomp: 4,
  workloadErrors: 5,
  /** A socket. Gets a line when the cage is ready and the command is next, and gives one when it may run. */
  started: 6,
  /** The first of the empty files that lie over masked files, one for each. */
  empty: 7,
} as const

export interface BubblewrapContext {
  /** Cuts the workload off the terminal. False only when standard input is the terminal, for the sake of job control. */
  readonly newSession: boolean
  /** Processes and threads at once, held by RLIMIT_NPROC in the workload's own user namespace; 0: not held that way. */
  readonly processLimit: number
}

export interface BubblewrapArguments {
  /** What follows `bwrap` on the command line. */
  readonly command: readonly string[]
  /** What goes into `DESCRIPTORS.options`. */
  readonly options: Buffer
  /** How many empty files are needed from `DESCRIPTORS.empty` on. */
  readonly emptyFiles: number
}

/** Everything bubblewrap is told. Throws `workload_failed` when a value holds NUL, which would read as another option. */
export function bubblewrapArguments(plan: WorkloadPlan, context: BubblewrapContext): BubblewrapArguments {
  const options = [...confinement(context), ...mountOptions(plan.mounts), ...environmentOptions(plan)]
  refuseNul([...options, ...plan.command])
  const entry = ['/bin/sh', '-c', ENTRY, 'agentcage', String(context.processLimit), ...plan.command]
  return {
    command: ['--args', String(DESCRIPTORS.options), '--', ...entry],
    options: Buffer.from(options.map((option) => `${option}\0`).join('')),
    emptyFiles: plan.mounts.filter(isMaskedFile).length,
  }
}

/**
 * Ends with 127 and a message when the command in `$@` is not there, with 126 when it cannot be executed, as a shell does.
 * A shell finds its own commands and words (`cd`, `test`, `if`) before programs, of which some have the same names.
 * Public for other isolations: what is typed wrong reads the same everywhere.
 */
export const FIND_COMMAND = `
found=$1
case $1 in
  -*) found= ;;
  */*) test -e "$1" || found= ;;
  *) found=$(command -v "$1") ;;
esac
case $found in
  '' | */*) ;;
  *)
    found=$(
      set -f
      IFS=:
      for folder in $PATH; do
        test -x "$folder/$1" && ! test -d "$folder/$1" && echo "$folder/$1" && break
      done
    )
    if test -z "$found"; then
      echo "agentcage: $1: not found in the cage (the shell's own: sh -c '$1 ...')" >&2
      exit 127
    fi
    ;;
esac
if test -z "$found"; then
  echo "agentcage: $1: not found in the cage" >&2
  exit 127
fi
if test -d "$found" || case $found in */*) ! test -x "$found" ;; *) false ;; esac; then
  echo "agentcage: $1: cannot be executed" >&2
  exit 126
fi
unset found
`.trim()

/**
 * The first program in the cage. It gives the workload its standard error, sets the limit, says that the cage is ready,
 * waits until that has been looked at, and becomes the command; so all that failed before is the launcher's, all after is the command's own. A command that
 * is not there ends as in a shell: 127, or 126 when it cannot be executed.
 */
const ENTRY = `
exec 2>&${DESCRIPTORS.workloadErrors} ${DESCRIPTORS.workloadErrors}>&-
limit=$1
shift
test "$limit" = 0 || ulimit -u "$limit" 2>/dev/null || ulimit -p "$limit"
echo >&${DESCRIPTORS.started}
read -r _ <&${DESCRIPTORS.started} || exit 125
exec ${DESCRIPTORS.started}>&-
${FIND_COMMAND}
unset limit
exec "$@"
`

/** `--disable-userns` counts on `--unshare-user`. `--die-with-parent` ends all of the cage when its launcher is gone. */
function confinement({ newSession }: BubblewrapContext): readonly string[] {
  const session = newSession ? ['--new-session'] : []
  return [...NAMESPACES, '--die-with-parent', ...session, ...IDENTITY, '--seccomp', String(DESCRIPTORS.seccomp)]
}

const NAMESPACES = ['user', 'pid', 'ipc', 'uts', 'cgroup-try']
  .map((name) => `--unshare-${name}`)
  .concat('--disable-userns')
const IDENTITY = ['--hostname', 'agentcage', '--cap-drop', 'ALL'] as const

/**
 * Where no mount lies over `/`, it is bubblewrap's own empty folder: nothing is to be put there later. Nor in /dev, which
 * is the host's memory and has no bound.
 */
function mountOptions(mounts: readonly Mount[]): readonly string[] {
  let empty: number = DESCRIPTORS.empty
  const options = mounts.flatMap((mount) => mountOption(mount, () => String(empty++)))
  const root = mounts.some(({ target }) => target === '/') ? [] : ['/']
  const closed = mounts.filter((mount) => mount.kind === 'dev' || (mount.kind === 'tmpfs' && mount.sealed === true))
  const targets = [...closed.map(({ target }) => target), ...root]
  return [...options, ...targets.flatMap((target) => ['--remount-ro', target])]
}

function mountOption(mount: Mount, nextEmpty: () => string): readonly string[] {
  switch (mount.kind) {
    case 'bind':
      return [mount.writable ? '--bind' : '--ro-bind', mount.source, mount.target]
    case 'tmpfs':
      return tmpfs(mount.target, mount.mode, mount.sizeBytes)
    case 'directory':
      return ['--dir', mount.target]
    case 'symlink':
      return ['--symlink', mount.to, mount.target]
    case 'mask':
      return mount.over === 'file'
        ? ['--perms', '0444', '--ro-bind-data', nextEmpty(), mount.target]
        : [...tmpfs(mount.target, 0o555, 4096), '--remount-ro', mount.target]
    case 'proc':
      return ['--proc', mount.target]
    case 'dev':
      return ['--dev', mount.target]
    case 'device':
      return ['--dev-bind', mount.source, mount.target]
  }
}

function tmpfs(target: string, mode: number | undefined, sizeBytes: number | undefined): readonly string[] {
  const perms = mode === undefined ? [] : ['--perms', mode.toString(8).padStart(4, '0')]
  const size = sizeBytes === undefined ? [] : ['--size', String(sizeBytes)]
  return [...perms, ...size, '--tmpfs', target]
}

function environmentOptions({ environment, workingDirectory }: WorkloadPlan): readonly string[] {
  const variables = Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value])
  return ['--clearenv', ...variables, '--chdir', workingDirectory]
}

function isMaskedFile(mount: Mount): boolean {
  return mount.kind === 'mask' && mount.over === 'file'
}

function refuseNul(values: readonly string[]): void {
  const bad = values.find((value) => value.includes('\0'))
  if (bad === undefined) return
  throw new CageError(
    'workload_failed',
    `a NUL byte in a path, a variable or the command: ${JSON.stringify(bad.split('\0')[0])}…`,
  )
}
