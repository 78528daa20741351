import { existsSync, readlinkSync } from 'node:fs'
import type { Mount } from '../isolation.ts'
import type { HostFacts } from './host.ts'
import { findMasks } from './masks.ts'
import { isWithin, statOf } from './paths.ts'

/** Folders whose programs, libraries and settings every workload needs. Read-only; nothing else of the root is shown. */
const SHOWN = ['/usr', '/etc', '/opt', '/nix', '/gnu']

/** Parts of the root that are symbolic links into /usr on some systems and folders on others. */
const PARTS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

/** Read for the number of processors; the rest of /sys tells about hardware and is left out. */
const PROCESSORS = '/sys/devices/system/cpu'

const MEBIBYTE = 1 << 20

/**
 * What the workload sees of the system, before project, volumes and programs: a read-only root, an empty home,
 * empty places for what is temporary, and nothing that only root or its owner may read.
 */
export function systemMounts(host: HostFacts): readonly Mount[] {
  const shown = [...SHOWN.filter((path) => existsSync(path)).map(readOnly), ...PARTS.flatMap(rootPart)]
  return [...shown, ...kernelMounts(), ...temporaryMounts(host), ...findMasks(shownTrees(shown), host.ownFolders)]
}

/** Whether the workload sees at `path` (without symbolic links) what the host has there. */
export function isShown(mounts: readonly Mount[], path: string): boolean {
  const mount = mountOver(mounts, path)
  return mount?.kind === 'bind' && mount.source === mount.target
}

/** The mount that decides what is at `path`, undefined where nothing is mounted but the root. */
export function mountOver(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts.findLast((mount) => isWithin(path, mount.target))
}

function readOnly(path: string): Mount {
  return { kind: 'bind', source: path, target: path, writable: false }
}

function rootPart(path: string): readonly Mount[] {
  const stats = statOf(path)
  if (stats === undefined) return []
  return [stats.isSymbolicLink() ? { kind: 'symlink', target: path, to: readlinkSync(path) } : readOnly(path)]
}

function shownTrees(mounts: readonly Mount[]): readonly string[] {
  return mounts.flatMap((mount) => (mount.kind === 'bind' ? [mount.target] : []))
}

/** Entries of /proc that tell about the machine or command it. Those absent on this kernel are left out. */
const PROC_FILES = [
  '/proc/kcore',
  '/proc/keys',
  '/proc/key-users',
  '/proc/kmsg',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/latency_stats',
  '/proc/mtrr',
  '/proc/sched_debug',
  '/proc/slabinfo',
  '/proc/sysrq-trigger',
  '/proc/timer_list',
]
const PROC_FOLDERS = ['/proc/acpi', '/proc/scsi']

/**
 * /proc/sys goes by the host's user ids and not by capabilities: a workload that root started could write
 * `kernel.core_pattern`, whose program the kernel then runs as root outside every namespace. The settings are the
 * same through any procfs, so the host's is laid over the new one, read-only.
 */
function kernelMounts(): readonly Mount[] {
  return [
    { kind: 'proc', target: '/proc' },
    readOnly('/proc/sys'),
    ...PROC_FILES.filter((path) => existsSync(path)).map((target): Mount => ({ kind: 'mask', target, over: 'file' })),
    ...PROC_FOLDERS.filter((path) => existsSync(path)).map((target): Mount => ({
      kind: 'mask',
      target,
      over: 'directory',
    })),
    { kind: 'dev', target: '/dev' },
    ...(existsSync(PROCESSORS) ? [readOnly(PROCESSORS)] : []),
  ]
}

/** Bounded each, because what lies in a tmpfs is the host's memory. */
function temporaryMounts({ home, memory }: HostFacts): readonly Mount[] {
  const share = (part: number): number => Math.max(64 * MEBIBYTE, Math.floor(memory * part))
  return [
    { kind: 'tmpfs', target: '/dev/shm', sizeBytes: share(1 / 8), mode: 0o1777 },
    { kind: 'tmpfs', target: '/run', sizeBytes: 64 * MEBIBYTE, mode: 0o755 },
    { kind: 'tmpfs', target: '/tmp', sizeBytes: share(1 / 4), mode: 0o1777 },
    { kind: 'tmpfs', target: '/var', sizeBytes: share(1 / 8), mode: 0o755 },
    { kind: 'directory', target: '/var/cache' },
    { kind: 'directory', target: '/var/lib' },
    { kind: 'directory', target: '/var/log' },
    { kind: 'directory', target: '/var/tmp' },
    { kind: 'symlink', target: '/var/run', to: '/run' },
    { kind: 'symlink', target: '/var/lock', to: '/run/lock' },
    { kind: 'tmpfs', target: home, sizeBytes: share(1 / 4), mode: 0o700 },
  ]
}
