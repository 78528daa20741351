import { readFileSync } from 'node:fs'
import { CageError } from '../errors.ts'
import { KVM, mayOpenDevice, requireBusybox, requireQemu } from '../isolation/microvm/host-parts.ts'
import { examineKernel, installedKernels, type Vmm } from '../isolation/microvm/kernel.ts'
import { recallKvmFailure } from '../isolation/microvm/kvm-failure.ts'
import type { PackageManager } from '../isolation/process/launch-programs.ts'
import { vmmSum } from '../isolation/microvm/vmm-sum.ts'
import { findProgram } from '../system/process.ts'
import { runProgram } from '../system/spawn.ts'
import { installCommand, packageManager } from './doctor-packages.ts'
import type { Check } from './doctor.ts'
import { absentIfMissing, checkFirecrackerParts } from './firecracker-doctor.ts'

/** What machines need beside what cages need, and the package that holds each, by package manager. */
const PACKAGES = {
  qemu: {
    apt: 'qemu-system-x86',
    dnf: 'qemu-system-x86-core',
    pacman: 'qemu-system-x86',
    apk: 'qemu-system-x86_64',
    zypper: 'qemu-x86',
  },
  busybox: {
    apt: 'busybox-static',
    dnf: 'busybox',
    pacman: 'busybox',
    apk: 'busybox-static',
    zypper: 'busybox-static',
  },
  kernel: {
    apt: 'linux-image-amd64',
    dnf: 'kernel-core kernel-modules',
    pacman: 'linux',
    apk: 'linux-lts',
    zypper: 'kernel-default',
  },
  xz: { apt: 'xz-utils', dnf: 'xz', pacman: 'xz', apk: 'xz', zypper: 'xz' },
  mkfs: { apt: 'e2fsprogs', dnf: 'e2fsprogs', pacman: 'e2fsprogs', apk: 'e2fsprogs', zypper: 'e2fsprogs' },
} as const satisfies Record<string, Readonly<Record<PackageManager, string>>>

/** Which machines are to run. */
export interface MachinesMeant {
  /** The configured kernel. */
  readonly kernel?: string | undefined
  /** Firecracker's program by name or absolute path, where it is to run them. Absent: QEMU is. */
  readonly firecracker?: string | undefined
}

/**
 * Looks at everything that machines need, for either VMM; what only the other one needs is `absent` at worst. `cache`: where
 * it is kept whether KVM works. Starts no machine, changes nothing.
 */
export async function checkMachineParts(
  { kernel, firecracker }: MachinesMeant,
  cache: string,
): Promise<readonly Check[]> {
  const vmm = firecracker === undefined ? 'qemu' : 'firecracker'
  const found = checkKernels(kernel, vmm)
  const kvm = await checkKvm(found.path, cache)
  const own = await checkFirecrackerParts(firecracker)
  const [qemu, xz, mkfs] = [await checkQemu(), checkXz(found.packing), checkMkfs()]
  if (vmm === 'qemu') return [qemu, kvm, found.check, checkBusybox(), xz, mkfs, ...own]
  return [absentIfMissing(qemu), needed(kvm), found.check, checkBusybox(), needed(xz), needed(mkfs), ...own]
}

/** Without what QEMU can do without, Firecracker cannot. */
function needed(check: Check): Check {
  return check.status === 'warning' ? { ...check, status: 'missing' } : check
}

async function checkQemu(): Promise<Check> {
  try {
    const path = requireQemu()
    const { stdout } = await runProgram(path, ['--version'])
    return { name: 'qemu', status: 'ok', detail: `${stdout.split('\n')[0]}, SHA-256 ${vmmSum(path)}` }
  } catch (error) {
    return missing('qemu', error)
  }
}

/** That KVM's device opens says little: what counts is a guest. */
async function checkKvm(kernel: string | undefined, cache: string): Promise<Check> {
  const name = 'kvm'
  if (mayOpenDevice(KVM)) {
    const failure = await kvmFailure(kernel, cache)
    if (failure === undefined)
      return { name, status: 'ok', detail: `${KVM} may be opened; agentcage vm setup tries a guest` }
    const detail = `${KVM} ran no guest since the host booted, so that guests are emulated: ${failure}`
    return { name, status: 'warning', detail, mend: 'agentcage vm setup  # tries again' }
  }
  const isThere = readable('/proc/misc').includes(' kvm')
  return {
    name,
    status: 'warning',
    detail: isThere
      ? `${KVM} may not be opened by this user`
      : `there is no ${KVM}; QEMU emulates guests, many times slower, and Firecracker runs none`,
    mend: isThere ? 'sudo usermod -aG kvm "$USER"' : undefined,
  }
}

async function kvmFailure(kernel: string | undefined, cache: string): Promise<string | undefined> {
  const qemu = findProgram('qemu-system-x86_64')
  return kernel === undefined || qemu === undefined ? undefined : recallKvmFailure(cache, { qemu, kernel })
}

interface KernelCheck {
  readonly check: Check
  readonly path?: string
  readonly packing?: string
}

function checkKernels(configured: string | undefined, vmm: Vmm): KernelCheck {
  const refused: string[] = []
  for (const path of configured === undefined ? installedKernels() : [configured]) {
    const finding = examineKernel(path, vmm)
    if (finding.kind === 'unusable') {
      refused.push(`${path} ${finding.reason}`)
      continue
    }
    const { release, image, sha256 } = finding.kernel
    const detail = `${path} (${release}), SHA-256 ${sha256}`
    return { check: { name: 'kernel', status: 'ok', detail }, path, packing: image.packing }
  }
  const detail = refused.length === 0 ? 'none is installed' : refused.join('; ')
  const status = 'missing'
  return { check: { name: 'kernel', status, detail, mend: configured === undefined ? mendOf('kernel') : undefined } }
}

function checkBusybox(): Check {
  try {
    return { name: 'busybox', status: 'ok', detail: requireBusybox() }
  } catch (error) {
    return missing('busybox', error)
  }
}

function checkXz(packing: string | undefined): Check {
  const path = findProgram('xz')
  if (path !== undefined || packing !== 'xz') return { name: 'xz', status: 'ok', detail: path ?? 'not needed' }
  return {
    name: 'xz',
    status: 'warning',
    detail: 'not installed: the kernel unpacks itself at each start, slowly when emulated, and not for Firecracker',
    mend: mendOf('xz'),
  }
}

function checkMkfs(): Check {
  const path = findProgram('mkfs.ext4')
  if (path !== undefined) return { name: 'mkfs.ext4', status: 'ok', detail: path }
  return {
    name: 'mkfs.ext4',
    status: 'warning',
    detail: 'not installed: microvm.disk_mb, microvm.image and Firecracker need it',
    mend: mendOf('mkfs'),
  }
}

function missing(name: 'qemu' | 'busybox', error: unknown): Check {
  if (!(error instanceof CageError)) throw error
  return { name, status: 'missing', detail: error.message, mend: mendOf(name) }
}

function mendOf(part: keyof typeof PACKAGES): string | undefined {
  return installCommand(packageManager(), (manager) => PACKAGES[part][manager])
}

function readable(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
