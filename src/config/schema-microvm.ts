import * as z from 'zod'

const path = z.string().min(1)
const kernel = path.optional().meta({
  description: 'Kernel of the guest, x86_64. Absent: the newest installed one that has what a guest needs.',
})
const vcpus = z
  .int()
  .min(1, 'must be >= 1')
  .max(64, 'must be <= 64')
  .default(2)
  .meta({ description: 'Processors of the guest.' })
const mem_mb = z
  .int()
  .min(128, 'must be >= 128')
  .max(1_048_576, 'must be <= 1048576')
  .default(2048)
  .meta({ description: 'Memory of the guest, in MiB.' })

/** The `microvm` section: the machine that `isolation: microvm` makes. */
export const microvmSection = z
  .strictObject({
    vmm: z.enum(['auto', 'qemu', 'firecracker']).default('auto').meta({
      description:
        'What runs the machine. `auto`: QEMU, with KVM where that works, emulated elsewhere. `firecracker`: with KVM and an image only.',
    }),
    kernel,
    kernel_sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case')
      .optional()
      .meta({
        description:
          'SHA-256 of the kernel’s file, looked at before each start: no other one is started. `agentcage vm setup` shows it. Absent: what the system installed is trusted.',
      }),
    vmm_sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case')
      .optional()
      .meta({
        description:
          'SHA-256 of QEMU’s or Firecracker’s program, looked at before each start: no other one is started. `agentcage vm doctor` shows it. Absent: what is installed is trusted.',
      }),
    image: path.optional().meta({
      description:
        'Image whose files are the root of the guest: a folder in the OCI image layout, or an archive (`podman image save`). Absent: the host’s own system, read-only.',
    }),
    firecracker_bin: path
      .optional()
      .meta({ description: 'Firecracker’s program, by name or path. Absent: `firecracker`.' }),
    vcpus,
    mem_mb,
    disk_mb: z.int().min(64, 'must be >= 64').max(1_048_576, 'must be <= 1048576').optional().meta({
      description:
        'Size in MiB of a disk for what the guest writes outside of project and volumes; it ends with the cage. Absent: its memory holds that.',
    }),
  })
  .optional()
  .meta({ description: 'The machine of `isolation: microvm`.' })

/** The same section by the name and with the keys that the original has. */
export const firecrackerSection = z
  .strictObject({
    kernel,
    vcpus,
    mem_mb,
    firecracker_bin: path
      .default('firecracker')
      .meta({ description: 'The program, by name or path; for `microvm.vmm: firecracker`.' }),
  })
  .optional()
  .meta({ description: 'Another name for `microvm`, with fewer keys. Only one of the two may be there.' })
