import * as z from 'zod'
import { parsePort } from '../policy/published-port.ts'

/** An absolute path inside, without `..`, and what Podman would split or expand. */
const INSIDE = /^\/(?!\.{1,2}(?:\/|$|:))(?:(?!\/\.{1,2}(?:\/|$|:))[\x21-\x7e])*$/
const INSIDE_PROBLEM = "must be an absolute path without '..'"

/** Nothing that a command line could take for an option, or a quadlet for the name of another unit. */
const IMAGE = /^(?!.*\.(?:image|build)$)[A-Za-z0-9][A-Za-z0-9._:/-]*(?:@sha256:[0-9a-f]{64})?$/
const USER = /^(?:\d{1,10}|[a-z_][a-z0-9_-]{0,31})(?::(?:\d{1,10}|[a-z_][a-z0-9_-]{0,31}))?$/
const VOLUME = /^(?!.*\.volume$)[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/
const CAPABILITY = /^(?:CAP_)?[A-Z][A-Z_]*$|^ALL$|^all$/

const capability = z.string().regex(CAPABILITY, 'must be a capability such as NET_BIND_SERVICE, or ALL')

const inside = z
  .string()
  .max(4096)
  .refine((text) => INSIDE.test(text) && !/[:,]/.test(text), INSIDE_PROBLEM)

/** `PATH` or `PATH:OPTIONS`. */
function placeWith(options: RegExp, form: string): z.ZodString {
  return z
    .string()
    .max(4096)
    .refine((text) => {
      const [path = '', rest, ...more] = text.split(':')
      return more.length === 0 && inside.safeParse(path).success && (rest === undefined || options.test(rest))
    }, `must be ${form}`)
}

/** Keys of `container` that mean something with `isolation: container` only. */
export const containerOnly = {
  image: z
    .string()
    .max(512)
    .regex(IMAGE, 'must be the name of an image, such as docker.io/library/node:24-slim')
    .optional()
    .meta({ description: 'Image of the workload; `isolation: container` only, as the next ten keys.' }),
  named_volumes: z
    .record(
      z.string().regex(VOLUME, 'must be the name of a volume, such as agent-state'),
      placeWith(/^(?:ro|rw)$/, 'INSIDE[:ro|rw], such as /data:rw'),
    )
    .default({})
    .meta({ description: "Volumes of Podman's by name, `INSIDE[:ro|rw]`. They outlive the cage." }),
  tmpfs: z
    .array(placeWith(/^[a-z0-9=,%]{1,128}$/, 'INSIDE[:OPTIONS], such as /cache:size=64m,mode=1777'))
    .default([])
    .meta({ description: 'Folders in memory, `INSIDE[:OPTIONS]`.' }),
  ports: z
    .array(
      z
        .string()
        .refine((text) => parsePort(text) !== undefined, 'must be [ADDRESS:]HOST_PORT:PORT, such as 8080:80')
        .meta({ description: '`[ADDRESS:]HOST_PORT:PORT`' }),
    )
    .max(64)
    .default([])
    .meta({
      description:
        'Ports of the host that lead to the workload, through the proxy, which inspects and records. Bound to 127.0.0.1 unless an address is given.',
    }),
  podman_secrets: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be a name such as GATEWAY_PASSWORD'))
    .max(256)
    .default([])
    .meta({ description: 'Secrets that the workload holds itself, as variables. Prefer `secret_injection`.' }),
  user: z
    .union([z.literal(''), z.string().regex(USER, 'must be a user such as 1000:1000')])
    .nullable()
    .default('1000:1000')
    .meta({ description: "Who the workload is inside; `''` or null: whoever the image names." }),
  cpus: z
    .union([z.string().regex(/^\d{1,4}(?:\.\d{1,3})?$/, 'must be a number such as 1.5'), z.number().positive()])
    .transform(String)
    .optional()
    .meta({ description: 'Most processors at once, such as `1.5`.' }),
  read_only: z.boolean().default(true).meta({ description: 'Whether the root file system is read-only.' }),
  no_new_privileges: z.boolean().default(true).meta({ description: 'Whether set-user-ID programs gain nothing.' }),
  security_label_disable: z.boolean().default(true).meta({
    description: 'Whether SELinux leaves the container alone; with false, folders need `:z` or `:Z`.',
  }),
  drop_capabilities: z
    .union([z.array(capability), capability.transform((one) => [one]), z.literal('').transform(() => [])])
    .default(['ALL'])
    .meta({ description: 'Capabilities that the workload does not get.' }),
  add_capabilities: z.array(capability).default([]).meta({ description: 'Capabilities that it gets all the same.' }),
}

/** Without `image`: that alone decides what the isolation is. */
export const CONTAINER_ONLY: readonly string[] = Object.keys(containerOnly).filter((key) => key !== 'image')
