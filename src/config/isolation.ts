import { resolve } from 'node:path'
import type { Config } from './schema.ts'

/** How a workload is confined. */
export type Isolation = 'process' | 'container' | 'microvm'

/** The isolation that a configuration means; `firecracker` is another name for `microvm`. */
export function isolationOf(config: {
  readonly isolation?: Config['isolation']
  readonly container: Pick<Config['container'], 'image'>
}): Isolation {
  const named = config.isolation ?? (config.container.image === undefined ? 'process' : 'container')
  return named === 'firecracker' ? 'microvm' : named
}

/** The machine of `isolation: microvm`. */
export interface MachineConfig {
  readonly vmm: 'auto' | 'qemu' | 'firecracker'
  readonly kernel?: string | undefined
  readonly kernel_sha256?: string | undefined
  readonly vmm_sha256?: string | undefined
  readonly image?: string | undefined
  readonly firecracker_bin?: string | undefined
  readonly vcpus: number
  readonly mem_mb: number
  readonly disk_mb?: number | undefined
}

/** What either section says, or the defaults. */
export function machineOf({ microvm, firecracker }: Pick<Config, 'microvm' | 'firecracker'>): MachineConfig {
  return microvm ?? { vmm: 'auto', vcpus: 2, mem_mb: 2048, ...firecracker }
}

/** Firecracker's path, or its name that is to be looked for; undefined: the machine is QEMU's. */
export function firecrackerOf({ vmm, firecracker_bin }: MachineConfig, folder: string): string | undefined {
  if (vmm !== 'firecracker') return undefined
  const program = firecracker_bin ?? 'firecracker'
  return program.includes('/') ? resolve(folder, program) : program
}
