import type { WorkloadPlan } from '../isolation.ts'
import { FIND_COMMAND } from '../process/bubblewrap.ts'
import { shellWord, shellWords } from './shell-quote.ts'

/** Tags of the two views of one tree: what may be kept in the guest's memory, and what the host may change as well. */
export const TAGS = { system: 'system', live: 'live' } as const

export interface GuestNetwork {
  readonly address: string
  readonly prefix: number
  readonly gateway: string
}

/** What makes the guest's file system and network, as a script for its first program. */
export interface GuestSetup {
  readonly network: GuestNetwork
  /** Places that the workload may write to on the host. */
  readonly writable: readonly string[]
  /** Whether a block device holds what the guest writes elsewhere; if not, its memory does. */
  readonly scratchDisk: boolean
}

const SHARE = 'trans=virtio,version=9p2000.L,msize=262144'

/**
 * The root is the host's tree, read-only, with a layer over it that takes what the guest writes and that ends with it.
 * Only `writable` places are the host's own. What must not change there cannot: the host serves it read-only or masked.
 */
export function setupScript({ network, writable, scratchDisk }: GuestSetup): string {
  const commands = [
    ...networkCommands(network),
    'mkdir -p /lower /live /scratch /root',
    `mount -t 9p -o ${SHARE},cache=loose,ro ${TAGS.system} /lower`,
    `mount -t 9p -o ${SHARE},cache=mmap ${TAGS.live} /live`,
    scratchDisk
      ? 'mount -t ext4 -o nosuid,nodev,noatime /dev/vda /scratch'
      : 'mount -t tmpfs -o nosuid,nodev,mode=755,size=50% scratch /scratch',
    'mkdir -p /scratch/upper /scratch/work',
    'mount -t overlay -o lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work overlay /root',
    ...kernelCommands(),
    ...writable.map((path) => shellWords(['mount', '--bind', `/live${path}`, `/root${path}`])),
  ]
  return commands.map((command) => `${command} || exit 1\n`).join('')
}

/** IPv4 only: what goes to an IPv6 address fails at once, and clients take the other one. */
function networkCommands({ address, prefix, gateway }: GuestNetwork): readonly string[] {
  return [
    'hostname agentcage',
    'ip link set lo up',
    'ip link set eth0 up',
    `ip addr add ${address}/${prefix} dev eth0`,
    `ip route add default via ${gateway}`,
  ]
}

/** The guest's kernel is the workload's own, so that it sees all of it. */
function kernelCommands(): readonly string[] {
  return [
    'mkdir -p /root/proc /root/sys /root/dev',
    'mount -t proc -o nosuid,nodev,noexec proc /root/proc',
    'mount -t sysfs -o nosuid,nodev,noexec sysfs /root/sys',
    'mount --bind /dev /root/dev',
    'mkdir -p /dev/pts /dev/shm',
    'mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts',
    'mount -t tmpfs -o nosuid,nodev,mode=1777,size=25% tmpfs /dev/shm',
    'mount --bind /dev/pts /root/dev/pts',
    'mount --bind /dev/shm /root/dev/shm',
    'ln -sfn /proc/self/fd /dev/fd',
    ...['stdin', 'stdout', 'stderr'].map((name, index) => `ln -sfn /proc/self/fd/${index} /dev/${name}`),
  ]
}

/** Who the workload is in the guest. */
export interface GuestUser {
  readonly uid: number
  readonly gid: number
}

/**
 * Becomes the command, in the guest's root, as the user and with the plan's environment and nothing else.
 * `setpriv`: its path in the guest's root.
 */
export function commandScript(
  { command, environment, workingDirectory }: Pick<WorkloadPlan, 'command' | 'environment' | 'workingDirectory'>,
  { user, setpriv }: { readonly user: GuestUser; readonly setpriv: string },
): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const identity = user.uid === 0 ? [] : [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--']
  const entry = ['/bin/sh', '-c', ENTRY, 'agentcage', workingDirectory, ...command]
  return `exec ${shellWords(['env', '-i', ...variables, '/bin/chroot', '/root', ...identity, ...entry])}\n`
}

const ENTRY = `
cd "$1" || exit 125
shift
${FIND_COMMAND}
exec "$@"
`

/**
 * Opens a terminal as the session's own: who opens one first, without having any, gets it. What was typed for the session
 * before is thrown away.
 */
export function terminalScript(session: number, { device, user, rows, columns }: TerminalOptions): string {
  const path = shellWord(device)
  return [
    `echo ${path} >/run/device${session}`,
    `chown ${user.uid}:${user.gid} ${path}`,
    `exec <>${path} >&0 2>&1`,
    ...(session === 0 ? [] : ['stty raw -echo min 0 time 1', 'cat >/dev/null']),
    `stty sane rows ${rows} cols ${columns}`,
    '',
  ].join('\n')
}

export interface TerminalOptions {
  /** Its path in the guest. */
  readonly device: string
  readonly user: GuestUser
  readonly rows: number
  readonly columns: number
}
