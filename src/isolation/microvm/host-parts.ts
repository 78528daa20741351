import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CageError } from '../../errors.ts'
import { findProgram } from '../../system/process.ts'
import { initramfs, type VsockChannel } from './initramfs.ts'
import { guestModules, type GuestKernel, type MachineParts } from './kernel.ts'
import { readModule } from './unpack.ts'

export const KVM = '/dev/kvm'

/** A firmware that does nothing but start a kernel. */
const FIRMWARES = ['/usr/share/qemu/qboot.rom', '/usr/share/seabios/qboot.rom', '/usr/share/qboot/qboot.rom']

/** Absolute path of QEMU. Throws `host_unsupported` when the host lacks it. */
export function requireQemu(): string {
  if (process.arch !== 'x64')
    throw new CageError('host_unsupported', `microVMs run on x86_64 hosts, not on ${process.arch}`, {
      hint: 'Use isolation: process.',
    })
  const path = findProgram('qemu-system-x86_64')
  if (path !== undefined) return path
  throw new CageError('host_unsupported', 'QEMU is not installed (package qemu-system-x86)', {
    hint: 'agentcage vm doctor names the command that installs it.',
  })
}

/** Whether the host's own clock is its processors' counter: the kernel watches that it is steady and the same on all. */
export function hasSteadyCounter(path = '/sys/devices/system/clocksource/clocksource0/current_clocksource'): boolean {
  try {
    return readFileSync(path, 'latin1').trim() === 'tsc'
  } catch {
    return false
  }
}

export function findFirmware(): string | undefined {
  return FIRMWARES.find((path) => existsSync(path))
}

/** Whether this user may open a device for reading and writing. That KVM's can run a guest, only a guest shows. */
export function mayOpenDevice(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Absolute path of a busybox without libraries. Throws `host_unsupported` when the host lacks it. */
export function requireBusybox(): string {
  const path = findProgram('busybox')
  if (path !== undefined && isStatic(readFileSync(path))) return path
  const reason = path === undefined ? 'busybox is not installed' : `${path} needs libraries`
  throw new CageError('host_unsupported', `${reason} (package busybox-static)`, {
    hint: 'agentcage vm doctor names the command that installs it.',
  })
}

/** What the guest starts from, of this host's parts. */
export function hostInitramfs(kernel: GuestKernel, parts: MachineParts, channel?: VsockChannel): Buffer {
  const modules = guestModules(kernel, parts).map((path) => ({ path, content: readModule(join(kernel.modules, path)) }))
  return initramfs({ busybox: readFileSync(requireBusybox()), modules, channel })
}

/** An ELF file (64 bits, little endian) without a program header of type PT_INTERP. */
function isStatic(file: Buffer): boolean {
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return false
  const offset = Number(file.readBigUInt64LE(0x20))
  const [size, count] = [file.readUInt16LE(0x36), file.readUInt16LE(0x38)]
  return Array.from({ length: count }, (_, index) => file.readUInt32LE(offset + index * size)).every(
    (type) => type !== 3,
  )
}
