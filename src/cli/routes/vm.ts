import { buildRouteMap } from '@stricli/core'
import { textArgument } from '../arguments.ts'
import { command } from '../command.ts'

export interface VmDoctorFlags {
  readonly kernel?: string | undefined
  readonly firecracker?: string | undefined
  readonly json: boolean
}

export interface VmSetupFlags {
  readonly kernel?: string | undefined
}

const kernel = {
  kind: 'parsed',
  parse: textArgument,
  optional: true,
  placeholder: 'FILE',
  brief: 'Kernel to look at, as microvm.kernel names one (default: the installed ones)',
} as const

const firecracker = {
  kind: 'parsed',
  parse: textArgument,
  optional: true,
  placeholder: 'FILE',
  brief: 'Look at what microvm.vmm: firecracker needs, with this program, as microvm.firecracker_bin names one',
} as const

const doctorRoute = command<VmDoctorFlags>({
  docs: {
    brief: 'Check what machines need on this host and name the command that mends what is missing',
    fullDescription:
      'Parts are ok, missing, or absent when only the VMM that is not meant needs them. QEMU is meant, or Firecracker with --firecracker. Exits with 1 when one is missing.',
    customUsage: ['[--kernel FILE] [--firecracker FILE] [--json]'],
  },
  parameters: { flags: { kernel, firecracker, json: { kind: 'boolean', withNegated: false, brief: 'Print JSON' } } },
  load: async () => (await import('../commands/vm-doctor.ts')).vmDoctor,
})

const setupRoute = command<VmSetupFlags>({
  docs: {
    brief: 'Prepare machines: check all parts, unpack the kernel and start a guest',
    fullDescription: 'Needs no root and no network. Says whether KVM works here by starting a guest with it.',
    customUsage: ['[--kernel FILE]'],
  },
  parameters: { flags: { kernel } },
  load: async () => (await import('../commands/vm-setup.ts')).vmSetup,
})

export const vmRoutes = buildRouteMap({
  docs: { brief: 'Machines of isolation: microvm' },
  routes: { doctor: doctorRoute, setup: setupRoute },
})
