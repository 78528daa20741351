import { hasTerminal } from '../process/launch-terminal.ts'
import type { LaunchOptions } from '../process/launch.ts'
import type { OwnStreams } from './guest-streams.ts'

export interface MachineSettings {
  /** Path of a kernel; absent: an installed one. */
  readonly kernel?: string | undefined
  /** Its SHA-256; another one is refused. */
  readonly kernelSha256?: string | undefined
  /** SHA-256 of the program that runs the machine; another one is refused. */
  readonly vmmSha256?: string | undefined
  /** Path of an image, an OCI layout or an archive; absent: the guest's root is the host's system. */
  readonly image?: string | undefined
  /** Absent: QEMU. */
  readonly firecracker?: string | undefined
  /** Where `volumes` are in the guest. */
  readonly volumes?: readonly string[] | undefined
  readonly vcpus: number
  readonly memoryMebibytes: number
  /** Size of a disk for what the guest writes outside of the project; absent: its memory holds that. */
  readonly diskMebibytes?: number | undefined
}

export interface MachineOptions {
  readonly settings: MachineSettings
  /** Whether other commands may enter it. */
  readonly open: boolean
  readonly stdio: LaunchOptions['stdio']
  /** What `inherit` stands for. */
  readonly own: OwnStreams
  /** Folder for this run; only this user may enter it. */
  readonly scratch: string
  /** Folder that outlives it, for unpacked kernels. */
  readonly cache: string
  readonly limits?: LaunchOptions['limits']
  /** Devices of the host's that Firecracker opens. Default: KVM's and the one for TAP devices. */
  readonly devices?: readonly string[] | undefined
  /** How long the guest, and what its VMM is asked for, may take, in milliseconds. Default: by the accelerator. */
  readonly patience?: number | undefined
  /** Ends the machine at once when aborted. */
  readonly signal?: AbortSignal | undefined
  readonly log: (message: string) => void
}

/** Whether the machine's own command gets our terminal. */
export function getsTerminal({ stdio, own }: Pick<MachineOptions, 'stdio' | 'own'>): boolean {
  return hasTerminal(stdio[0]) && stdio[1] === 'inherit' && 'isTTY' in own.stdout
}
