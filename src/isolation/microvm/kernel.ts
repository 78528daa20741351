import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import { readBootImage, type BootImage } from './boot-image.ts'
import { moduleOrder, type ModuleIndex } from './modules.ts'

/** A kernel that guests can run. */
export interface GuestKernel {
  readonly path: string
  readonly file: Buffer
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly sha256: string
  readonly image: BootImage
  readonly release: string
  /** Folder of its modules. */
  readonly modules: string
  readonly index: ModuleIndex
}

/** A kernel that was looked at. */
export type KernelFinding =
  | { readonly kind: 'usable'; readonly kernel: GuestKernel }
  | { readonly kind: 'unusable'; readonly path: string; readonly reason: string }

/** What runs a machine. */
export type Vmm = 'qemu' | 'firecracker'

/** Drivers of what the machines have, and the file systems of the guest's root: it has the host's by 9p, or from disks. */
const NEEDED: Readonly<Record<Vmm, readonly string[]>> = {
  qemu: ['virtio_net', 'virtio_console', '9pnet_virtio', '9p', 'overlay'],
  firecracker: ['virtio_mmio', 'virtio_net', 'virtio_blk', 'ext4', 'vmw_vsock_virtio_transport', 'overlay'],
}
/** ext4 asks for its checksum by name, which no index of modules tells. */
const FOR_DISKS = ['virtio_blk', 'crc32c_generic', 'ext4']

/** What only the kernel itself can unpack. */
const FOREIGN_PACKINGS: ReadonlySet<BootImage['packing']> = new Set(['lz4', 'unknown'])

/** What of a machine decides which modules its guest needs. */
export interface MachineParts {
  /** How devices are connected. */
  readonly bus: 'mmio' | 'pci'
  /** Whether it has any. */
  readonly disks: boolean
  readonly vmm: Vmm
}

/** Modules that the guest of such a machine needs, in the order to load them. Each takes its time, emulated above all. */
export function guestModules(
  { index }: Pick<GuestKernel, 'index'>,
  { bus, disks, vmm }: MachineParts,
): readonly string[] {
  return moduleOrder(index, [`virtio_${bus}`, ...NEEDED[vmm], 'virtio_rng', ...(disks ? FOR_DISKS : [])]).load
}

const MODULE_FOLDERS = ['/lib/modules', '/usr/lib/modules', '/run/booted-system/kernel-modules/lib/modules'] as const

/** Where distributions put kernels, the newest first. */
export function installedKernels(boot = '/boot', moduleFolders: readonly string[] = MODULE_FOLDERS): readonly string[] {
  const inBoot = names(boot).filter((name) => /^vmlinuz(?:-|$)/.test(name))
  const paths = [
    ...inBoot.map((name) => join(boot, name)),
    ...moduleFolders.flatMap((folder) => names(folder).map((name) => join(folder, name, 'vmlinuz'))),
  ]
  return paths.filter((path) => existsSync(path)).toSorted((a, b) => NATURAL.compare(b, a))
}

const NATURAL = new Intl.Collator('en', { numeric: true })

/** Which kernel a machine is to have. */
export interface KernelChoice {
  /** Absent: the newest installed one that fits. */
  readonly path?: string | undefined
  /** Its SHA-256; any other file is refused. */
  readonly sha256?: string | undefined
  /** Whose machines it is for. Absent: QEMU's. */
  readonly vmm?: Vmm | undefined
}

/** Looks at the kernels that may be meant, until one is usable. Throws `host_unsupported` with why none is. */
export function requireKernel({ path: configured, sha256, vmm }: KernelChoice): GuestKernel {
  const refused: string[] = []
  for (const path of configured === undefined ? installedKernels() : [configured]) {
    const finding = examineKernel(path, vmm)
    if (finding.kind === 'unusable') refused.push(`${path} ${finding.reason}`)
    else if (sha256 === undefined || finding.kernel.sha256 === sha256) return finding.kernel
    else refused.push(`${path} has the SHA-256 ${finding.kernel.sha256}, which is not that of microvm.kernel_sha256`)
  }
  const reason = refused.length === 0 ? 'none is installed' : refused.slice(0, 3).join('; ')
  throw new CageError('host_unsupported', `no kernel for a guest: ${reason}`, {
    hint: 'Install linux-image-amd64 (Debian), linux-image-generic (Ubuntu) or kernel-core and kernel-modules (Fedora), or name one in microvm.kernel; agentcage vm doctor says more.',
  })
}

/** Whether guests of the VMM can run the kernel, and with which modules. */
export function examineKernel(
  path: string,
  vmm: Vmm = 'qemu',
  moduleFolders: readonly string[] = MODULE_FOLDERS,
): KernelFinding {
  const unusable = (reason: string): KernelFinding => ({ kind: 'unusable', path, reason })
  let file: Buffer
  try {
    file = readFileSync(path)
  } catch (error) {
    return unusable(`cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'failed'})`)
  }
  const image = readBootImage(file)
  if (image === undefined) return unusable('is not an x86_64 kernel')
  if (vmm === 'firecracker' && FOREIGN_PACKINGS.has(image.packing))
    return unusable('is packed neither with gzip nor xz nor zstd, and Firecracker starts no packed kernel')
  const release = image.release ?? releaseIn(file)
  if (release === undefined) return unusable('does not say its version')
  const modules = moduleFolders.map((folder) => join(folder, release)).find((folder) => existsSync(folder))
  if (modules === undefined) return unusable(`has no modules in /lib/modules/${release}`)
  const index = indexOf(modules)
  if (index === undefined) return unusable(`has no index of its modules: depmod ${release}`)
  const { missing } = moduleOrder(index, NEEDED[vmm])
  if (missing.length > 0) return unusable(`lacks ${missing.join(', ')}`)
  return {
    kind: 'usable',
    kernel: { path, file, image, sha256: createHash('sha256').update(file).digest('hex'), release, modules, index },
  }
}

function indexOf(modules: string): ModuleIndex | undefined {
  try {
    const [dependencies, builtin] = ['modules.dep', 'modules.builtin'].map((name) =>
      readFileSync(join(modules, name), 'utf8'),
    )
    return { dependencies: dependencies ?? '', builtin: builtin ?? '' }
  } catch {
    return undefined
  }
}

/** An ELF file has it in its banner only. */
function releaseIn(file: Buffer): string | undefined {
  const start = file.indexOf('Linux version ')
  if (start < 0) return undefined
  return /^Linux version ([A-Za-z0-9][A-Za-z0-9._+~-]{0,127}) /.exec(file.toString('latin1', start, start + 160))?.[1]
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
