import type { WorkloadPlan } from '../isolation.ts'
import { FIND_COMMAND } from '../process/bubblewrap.ts'
import { IMAGE_BUSYBOX, imageCommands, type GuestUser, type OverImage } from './guest-image.ts'
import { shellWord, shellWords } from './shell-quote.ts'

/** Tags of the two views of one tree: what may be kept in the guest's memory, and what the host may change as well. */
export const TAGS = { system: 'system', live: 'live' } as const

export interface GuestAddress {
  readonly address: string
  readonly prefix: number
  readonly gateway: string
}

export interface GuestNetwork extends GuestAddress {
  /** Absent: connections to IPv6 addresses fail in the guest. */
  readonly ipv6?: GuestAddress
}

/** What makes the guest's file system and network, as a script for its first program. */
export interface GuestSetup {
  readonly network: GuestNetwork
  /** Places that the workload may write to on the host. */
  readonly writable: readonly string[]
  /** Whether a block device holds what the guest writes elsewhere; if not, its memory does. */
  readonly scratchDisk: boolean
  /** Whether a disk, the second, holds what the guest sees of the host; if not, it is served. */
  readonly filesDisk?: boolean | undefined
  /** What lies over an image, whose disk is the first; absent: the root is the host's tree. */
  readonly image?: OverImage | undefined
}

const SHARE = 'trans=virtio,version=9p2000.L,msize=262144'

/**
 * The root is the host's tree, read-only, with a layer over it that takes what the guest writes and that ends with it.
 * Only `writable` places are the host's own. What must not change there cannot: the host serves it read-only or masked.
 */
export function setupScript({ network, writable, scratchDisk, filesDisk = false, image }: GuestSetup): string {
  const scratchDevice = `/dev/vd${'abc'[[image !== undefined, filesDisk].filter(Boolean).length]}`
  const commands = [
    ...networkCommands(network),
    'mkdir -p /lower /live /scratch /root',
    image === undefined
      ? `mount -t 9p -o ${SHARE},cache=loose,ro ${TAGS.system} /lower`
      : 'mount -t ext4 -o ro,nosuid,nodev /dev/vda /lower',
    filesDisk
      ? 'mount -t ext4 -o nosuid,nodev,noatime /dev/vdb /live'
      : `mount -t 9p -o ${SHARE},cache=mmap ${TAGS.live} /live`,
    scratchDisk
      ? `mount -t ext4 -o nosuid,nodev,noatime ${scratchDevice} /scratch`
      : 'mount -t tmpfs -o nosuid,nodev,mode=755,size=50% scratch /scratch',
    'mkdir -p /scratch/upper /scratch/work',
    'mount -t overlay -o lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work overlay /root',
    ...kernelCommands(),
    ...(image === undefined ? writable.map((path) => bind(path)) : imageCommands(image)),
  ]
  return commands.map((command) => `${command} || exit 1\n`).join('')
}

function bind(path: string): string {
  return shellWords(['mount', '--bind', `/live${path}`, `/root${path}`])
}

function networkCommands({ address, prefix, gateway, ipv6 }: GuestNetwork): readonly string[] {
  return [
    'hostname agentcage',
    'ip link set lo up',
    'ip link set eth0 up',
    `ip addr add ${address}/${prefix} dev eth0`,
    `ip route add default via ${gateway}`,
    ...(ipv6 === undefined ? [] : secondNetworkCommands(ipv6)),
  ]
}

/** Nobody else is on the wire: an address counts at once. What routers say there is not heard. A kernel may lack all of it. */
function secondNetworkCommands({ address, prefix, gateway }: GuestAddress): readonly string[] {
  const settings = '/proc/sys/net/ipv6/conf/eth0'
  return [
    `{ test ! -d ${settings} || { echo 0 >${settings}/accept_ra && echo 0 >${settings}/accept_dad; }; }`,
    `{ test ! -d ${settings} || ip -6 addr add ${address}/${prefix} dev eth0; }`,
    `{ test ! -d ${settings} || ip -6 route add default via ${gateway} dev eth0; }`,
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
    '{ test -e /dev/pts/ptmx || mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts; }',
    'mount -t tmpfs -o nosuid,nodev,mode=1777,size=25% tmpfs /dev/shm',
    'mount --bind /dev/pts /root/dev/pts',
    'mount --bind /dev/shm /root/dev/shm',
    'ln -sfn /proc/self/fd /dev/fd',
    ...['stdin', 'stdout', 'stderr'].map((name, index) => `ln -sfn /proc/self/fd/${index} /dev/${name}`),
  ]
}

/**
 * Becomes the command, in the guest's root, as the user and with the plan's environment and nothing else.
 */
export function commandScript(
  { command, environment, workingDirectory }: Pick<WorkloadPlan, 'command' | 'environment' | 'workingDirectory'>,
  { user, setpriv, image }: CommandOptions,
): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const identity = user.uid === 0 ? [] : [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--']
  const shell = image === true ? imageShell(user) : [...identity, '/bin/sh']
  const entry = [...shell, '-c', ENTRY, 'agentcage', workingDirectory, ...command]
  return `exec ${shellWords(['env', '-i', ...variables, '/bin/chroot', '/root', ...entry])}\n`
}

export interface CommandOptions {
  readonly user: GuestUser
  /** Its path in the guest's root. */
  readonly setpriv: string
  /** Whether the root is that of an image, which may have neither setpriv nor a shell. */
  readonly image?: boolean
}

/** Of busybox's programs, this one takes on a user by number; it looks for a process by a file that is not there. */
function imageShell({ uid, gid }: GuestUser): readonly string[] {
  if (uid === 0) return [IMAGE_BUSYBOX, 'sh']
  const options = ['-S', '-q', '-p', '/nonexistent', '-c', `${uid}:${gid}`, '-x', IMAGE_BUSYBOX, '--', 'sh']
  return [IMAGE_BUSYBOX, 'start-stop-daemon', ...options]
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
