/** What a field of a request may hold. */
export interface ApiField {
  readonly type: 'string' | 'integer' | 'boolean'
  readonly required?: true
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

/**
 * Of Firecracker's published API description (src/firecracker/swagger/firecracker.yaml), version 1.17.0-dev: the requests
 * that we make, all by PUT and all answered by 204, and the fields of their bodies that are plain values. Rate limiters and
 * templates, which we never send, are left out.
 */
export const API_FIELDS: Readonly<Record<string, Readonly<Record<string, ApiField>>>> = {
  '/machine-config': {
    vcpu_count: { type: 'integer', required: true, minimum: 1, maximum: 32 },
    mem_size_mib: { type: 'integer', required: true },
    smt: { type: 'boolean' },
    track_dirty_pages: { type: 'boolean' },
    huge_pages: { type: 'string', enum: ['None', 'Transparent', '2M'] },
  },
  '/boot-source': {
    kernel_image_path: { type: 'string', required: true },
    initrd_path: { type: 'string' },
    boot_args: { type: 'string' },
  },
  '/drives/{drive_id}': {
    drive_id: { type: 'string', required: true },
    is_root_device: { type: 'boolean', required: true },
    // The description requires these two for drives that are files.
    is_read_only: { type: 'boolean', required: true },
    path_on_host: { type: 'string', required: true },
    partuuid: { type: 'string' },
    cache_type: { type: 'string', enum: ['Unsafe', 'Writeback'] },
    io_engine: { type: 'string', enum: ['Sync', 'Async'] },
    socket: { type: 'string' },
  },
  '/network-interfaces/{iface_id}': {
    iface_id: { type: 'string', required: true },
    host_dev_name: { type: 'string', required: true },
    guest_mac: { type: 'string' },
    mtu: { type: 'integer', minimum: 68, maximum: 65_535 },
  },
  '/vsock': {
    guest_cid: { type: 'integer', required: true, minimum: 3 },
    uds_path: { type: 'string', required: true },
    vsock_id: { type: 'string' },
  },
  '/entropy': {},
  '/actions': {
    action_type: { type: 'string', required: true, enum: ['FlushMetrics', 'InstanceStart', 'SendCtrlAltDel'] },
  },
}
