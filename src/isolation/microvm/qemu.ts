import type { Port } from './guest-ports.ts'
import { TAGS, type GuestNetwork } from './guest-setup.ts'

/** What runs the guest's instructions: the processor, or a program. */
export type Accelerator = 'kvm' | 'tcg'

/** A machine as QEMU is to make it. Paths are those in the VMM's cage. */
export interface QemuMachine {
  readonly accelerator: Accelerator
  readonly kernel: string
  readonly initramfs: string
  readonly vcpus: number
  readonly memoryMebibytes: number
  /** Served twice: as what does not change, and as it is now. */
  readonly tree: string
  /** Folder of the sockets that the host listens on, a file for each port. */
  readonly sockets: string
  /** By the device that they hang on. */
  readonly ports: readonly (readonly Port[])[]
  /** A raw image with the files of the guest's root, which it may read. */
  readonly image?: string | undefined
  /** A raw image that the guest may write to. */
  readonly scratch?: string | undefined
  /** Firmware that starts faster than the default. */
  readonly firmware?: string | undefined
  /** Whether the host's processors count time steadily and alike, so that an emulated guest may rely on its own counter. */
  readonly steadyCounter?: boolean | undefined
}

/** What QEMU's user network gives its guest. Every connection is then made by QEMU, in the moat: it ends at the egress. */
export const QEMU_NETWORK: GuestNetwork = {
  address: '10.0.2.15',
  prefix: 24,
  gateway: '10.0.2.2',
  ipv6: { address: 'fec0::15', prefix: 64, gateway: 'fec0::2' },
}

/**
 * QEMU's arguments. Nothing is there by default, there is no monitor, and what the guest prints while it boots comes as
 * QEMU's standard output.
 *
 * Under software emulation the machine is a plain PC: the microvm machine has, with ACPI, no timer that a kernel could
 * measure its processor's clock by unless KVM tells it, and hangs; without ACPI, kernels of distributions find no device in it.
 */
export function qemuArguments(machine: QemuMachine): readonly string[] {
  return [BASICS, platform(machine), randomness(machine), network(machine), files(machine), channel(machine)]
    .flat()
    .concat(disks(machine))
}

const BASICS: readonly string[] = [
  '-nodefaults',
  '-no-user-config',
  '-no-reboot',
  '-display',
  'none',
  '-monitor',
  'none',
  '-serial',
  'stdio',
  '-sandbox',
  'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
]

function platform(machine: QemuMachine): readonly string[] {
  const size = ['-smp', String(machine.vcpus), '-m', `${machine.memoryMebibytes}M`]
  const start = ['-kernel', machine.kernel, '-initrd', machine.initramfs, '-append', commandLine(machine)]
  return [...processor(machine), ...size, ...start]
}

function processor({ accelerator, firmware }: QemuMachine): readonly string[] {
  if (accelerator === 'kvm') return ['-machine', 'microvm,acpi=on,rtc=on', '-accel', 'kvm', '-cpu', 'host']
  const fast = firmware === undefined ? [] : ['-bios', firmware]
  return ['-machine', 'pc,usb=off,vmport=off,hpet=off', '-accel', 'tcg', '-cpu', 'max', ...fast]
}

/** A kernel that panics ends the machine. It does not test its ciphers, nor wait for what can be asked for at once. */
function commandLine({ accelerator, steadyCounter }: QemuMachine): string {
  const ours = [
    'console=ttyS0',
    'quiet',
    'panic=-1',
    'random.trust_cpu=on',
    'cryptomgr.notests',
    'rcupdate.rcu_expedited=1',
  ]
  const counter = steadyCounter === true ? ['tsc=reliable'] : []
  return [...ours, ...(accelerator === 'tcg' ? [...EMULATED, ...counter] : [])].join(' ')
}

/**
 * ACPI would spend seconds on routing interrupts that no device uses: they are signalled by messages. The two steps that
 * are left out take a third of a second together, for tracing and for a congestion control that a wire of one hop never needs.
 * Without `tsc=reliable` a guest of two processors reads its time from a device: three times slower, at each look.
 */
const EMULATED = [
  'mitigations=off',
  'no_timer_check',
  'pci=noacpi',
  'initcall_blacklist=init_kprobe_trace,cubictcp_register',
]

/** How the machine's devices are connected. */
export function busOf(accelerator: Accelerator): 'mmio' | 'pci' {
  return accelerator === 'kvm' ? 'mmio' : 'pci'
}

/** `virtio-KIND` as it connects to this machine: by PCI, or by memory alone. */
function device({ accelerator }: QemuMachine, kind: string, options: readonly string[]): readonly string[] {
  const bus = busOf(accelerator) === 'mmio' ? 'device' : 'pci'
  return ['-device', [`virtio-${kind}-${bus}`, ...options].join(',')]
}

function randomness(machine: QemuMachine): readonly string[] {
  return ['-object', 'rng-builtin,id=randomness', ...device(machine, 'rng', ['rng=randomness'])]
}

function network(machine: QemuMachine): readonly string[] {
  const rom = machine.accelerator === 'tcg' ? ['romfile='] : []
  return ['-netdev', 'user,id=wire,ipv4=on,ipv6=on', ...device(machine, 'net', ['netdev=wire', ...rom])]
}

/** `none`: files belong to who runs QEMU, and what the guest says of owners is not kept. */
function files(machine: QemuMachine): readonly string[] {
  const share = `path=${machine.tree},security_model=none,multidevs=remap`
  return [
    '-fsdev',
    `local,id=${TAGS.system},${share},readonly=on`,
    ...device(machine, '9p', [`fsdev=${TAGS.system}`, `mount_tag=${TAGS.system}`]),
    '-fsdev',
    `local,id=${TAGS.live},${share}`,
    ...device(machine, '9p', [`fsdev=${TAGS.live}`, `mount_tag=${TAGS.live}`]),
  ]
}

/** A device's number 0 is for a terminal, in use or not. */
function channel(machine: QemuMachine): readonly string[] {
  return machine.ports.flatMap((ports, index) => [
    ...device(machine, 'serial', [`id=serial${index}`, `max_ports=${ports.length + 1}`]),
    ...ports.flatMap(({ name, terminal }) => [
      '-chardev',
      `socket,id=${name},path=${machine.sockets}/${name}`,
      '-device',
      `${terminal ? 'virtconsole' : 'virtserialport'},bus=serial${index}.0,chardev=${name},name=${name}`,
    ]),
  ])
}

/** The guest finds them as vda and vdb, or the one that there is as vda. */
function disks(machine: QemuMachine): readonly string[] {
  const { image, scratch } = machine
  const drive = (id: string, options: string): readonly string[] => [
    '-drive',
    `if=none,id=${id},format=raw,${options}`,
    ...device(machine, 'blk', [`drive=${id}`]),
  ]
  return [
    ...(image === undefined ? [] : drive('image', `readonly=on,file=${image}`)),
    ...(scratch === undefined ? [] : drive('scratch', `cache=unsafe,discard=unmap,file=${scratch}`)),
  ]
}
