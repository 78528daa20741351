import { TAP_DEVICE } from './network.ts'

/** A machine as Firecracker is to make it. Paths are those in the VMM's cage. */
export interface FirecrackerMachine {
  readonly kernel: string
  readonly initramfs: string
  readonly vcpus: number
  readonly memoryMebibytes: number
  /** A raw image with the files of the guest's root, which it may read. */
  readonly image: string
  /** A raw image with what the guest sees of the host. */
  readonly files: string
  /** A raw image that the guest may write to. */
  readonly scratch?: string | undefined
  /** Path of the vsock device's socket; those that the host listens on are named by it: `PATH_PORT`. */
  readonly vsock: string
}

/** One request to Firecracker's API, whose methods are all PUT. */
export interface ApiRequest {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

/** The guest's address on the vsock device; those below are special. */
const GUEST_CID = 3

/**
 * What makes the machine, in order; the last one starts it. Not asked for: a balloon, logs, metrics and the metadata service,
 * none of which a guest of ours has a use for.
 */
export function firecrackerRequests(machine: FirecrackerMachine): readonly ApiRequest[] {
  const { vcpus, memoryMebibytes, kernel, initramfs, vsock } = machine
  return [
    { path: '/machine-config', body: { vcpu_count: vcpus, mem_size_mib: memoryMebibytes, smt: false } },
    {
      path: '/boot-source',
      body: { kernel_image_path: kernel, initrd_path: initramfs, boot_args: COMMAND_LINE },
    },
    ...drives(machine),
    { path: '/network-interfaces/wire', body: { iface_id: 'wire', host_dev_name: TAP_DEVICE } },
    { path: '/vsock', body: { guest_cid: GUEST_CID, uds_path: vsock } },
    { path: '/entropy', body: {} },
    { path: '/actions', body: { action_type: 'InstanceStart' } },
  ]
}

/** A kernel that panics, or whose first program ends, resets the machine by its keyboard controller: Firecracker ends. */
const COMMAND_LINE = 'console=ttyS0 quiet reboot=k panic=-1 random.trust_cpu=on'

/** The guest finds them as vda, vdb and vdc, in this order. */
function drives({ image, files, scratch }: FirecrackerMachine): readonly ApiRequest[] {
  const drive = (id: string, path: string, readOnly: boolean): ApiRequest => ({
    path: `/drives/${id}`,
    body: { drive_id: id, path_on_host: path, is_root_device: false, is_read_only: readOnly, cache_type: 'Unsafe' },
  })
  return [
    drive('image', image, true),
    drive('files', files, false),
    ...(scratch === undefined ? [] : [drive('scratch', scratch, false)]),
  ]
}
