import { dirname, isAbsolute, join, relative } from 'node:path'
import type { Mount } from '../isolation.ts'

/** Where the VMM, in its cage, has what it serves the guest as its root. */
export const GUEST_TREE = '/guest'
/** Where the VMM has kernel, initial file system and the sockets of its channel. */
export const MACHINE_FOLDER = '/machine'

/** Room for places to mount on, and nothing else. */
const PLACES_BYTES = 1 << 20

/** Programs, libraries and data that a VMM and the shell that starts it may need. */
const VMM_NEEDS = ['/usr', '/nix', '/gnu', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

export interface MachineView {
  /** What a cage would mount for the workload itself. */
  readonly workload: readonly Mount[]
  /** Host folder behind `MACHINE_FOLDER`; it has an empty file `kernel`. */
  readonly folder: string
  readonly kernel: string
  /** A disk of the guest's alone; `folder` has an empty file `scratch` for it. */
  readonly scratch?: string | undefined
  /** A disk with the guest's root; `folder` has an empty file `image` for it. */
  readonly image?: string | undefined
  /** A disk with what the guest sees of the host; `folder` has an empty file `files` for it. */
  readonly files?: string | undefined
  /** A folder for sockets that the VMM makes; `folder` has an empty folder `own` for it. */
  readonly own?: string | undefined
  /** A program of the host's that may lie anywhere; `folder` has an empty file `vmm` for it. */
  readonly vmm?: string | undefined
  /** Whether the VMM serves the guest's tree, or has it as a disk. */
  readonly serves?: boolean
  /** Devices of the host's that the VMM may use. */
  readonly devices: readonly string[]
}

/**
 * What the VMM's cage mounts. The workload's tree lies in it a level down, with all its masks, read-only places and
 * hidden folders: the guest gets at files through the VMM only, so that not even its root, nor a VMM that it has taken
 * over, finds more there than a workload without a machine would.
 */
export function machineMounts({
  workload,
  folder,
  kernel,
  devices,
  serves = true,
  ...parts
}: MachineView): readonly Mount[] {
  const { image, scratch, files, own, vmm } = parts
  const tree = image === undefined ? workload : overImage(workload)
  const served = serves ? tree : []
  const part = (name: string, source: string | undefined, writable: boolean): readonly Mount[] =>
    source === undefined ? [] : [{ kind: 'bind', source, target: `${MACHINE_FOLDER}/${name}`, writable }]
  return [
    ...workload.filter((mount) => isSystem(mount)),
    { kind: 'dev', target: '/dev' },
    ...devices.map((path): Mount => ({ kind: 'device', source: path, target: path })),
    { kind: 'tmpfs', target: '/tmp', sizeBytes: PLACES_BYTES, sealed: true },
    { kind: 'bind', source: folder, target: MACHINE_FOLDER, writable: false },
    { kind: 'bind', source: kernel, target: `${MACHINE_FOLDER}/kernel`, writable: false },
    ...part('image', image, false),
    ...part('scratch', scratch, true),
    ...part('files', files, true),
    ...part('own', own, true),
    ...part('vmm', vmm, false),
    ...served.filter((mount) => !isKernel(mount)).map(intoGuest),
  ]
}

/** Where the workload may write on the host, without those inside of others: paths in the guest. */
export function writablePlaces(workload: readonly Mount[]): readonly string[] {
  const places = workload.flatMap((mount) => (mount.kind === 'bind' && mount.writable ? [mount.target] : []))
  return places.filter((place) => !places.some((other) => place.startsWith(`${other}/`)))
}

/** /proc, with what hides parts of it: QEMU changes the mode of a file by its descriptor there. */
function isSystem({ kind, target }: Mount): boolean {
  const isFolder = (kind === 'bind' || kind === 'symlink') && VMM_NEEDS.includes(target)
  return isFolder || /^\/proc(?:\/|$)/.test(target)
}

/** The guest has a kernel of its own, and with it these. */
function isKernel({ kind, target }: Mount): boolean {
  return kind === 'proc' || kind === 'dev' || kind === 'device' || /^\/(?:proc|dev|sys)(?:\/|$)/.test(target)
}

function intoGuest(mount: Mount): Mount {
  const target = join(GUEST_TREE, mount.target)
  switch (mount.kind) {
    case 'tmpfs':
      return { ...mount, target, sizeBytes: PLACES_BYTES, sealed: true }
    // An absolute link would lead what is mounted behind it out of the guest's tree.
    case 'symlink':
      return { ...mount, target, to: isAbsolute(mount.to) ? relative(dirname(mount.target), mount.to) : mount.to }
    default:
      return { ...mount, target }
  }
}

/** The host's own system, which an image takes the place of. */
const HOST_SYSTEM = new Set([...VMM_NEEDS, '/etc', '/opt', '/snap', '/srv'])

/** What a workload in an image sees of the host: what was made for it, project and volumes, and nothing of the system. */
export function overImage(workload: readonly Mount[]): readonly Mount[] {
  const isSystemFolder = (mount: Mount): boolean =>
    HOST_SYSTEM.has(mount.target) && !(mount.kind === 'bind' && mount.writable)
  const kept = workload.filter((mount) => mount.kind !== 'mask' && !isSystemFolder(mount))
  const bound = kept.flatMap((mount) => (mount.kind === 'bind' ? [`${mount.target}/`] : []))
  return workload.filter((mount) =>
    mount.kind === 'mask' ? bound.some((place) => mount.target.startsWith(place)) : kept.includes(mount),
  )
}

/** Where the host's own lies, without places in others: paths in the guest. */
export function boundPlaces(workload: readonly Mount[]): readonly string[] {
  const places = workload.flatMap((mount) => (mount.kind === 'bind' && !isKernel(mount) ? [mount.target] : []))
  return places.filter((place) => !places.some((other) => place.startsWith(`${other}/`)))
}

/** Folders that a cage makes empty, such as the home: paths in the guest. */
export function emptyFolders(workload: readonly Mount[]): readonly string[] {
  return workload.flatMap((mount) => (mount.kind === 'tmpfs' && !isKernel(mount) ? [mount.target] : []))
}
