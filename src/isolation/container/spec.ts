/** What a container sees of the host. */
export type ContainerMount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly writable: boolean }
  /** A volume of Podman's, or the file name of a quadlet that makes one. */
  | { readonly kind: 'volume'; readonly source: string; readonly target: string; readonly writable: boolean }
  /** `options` as Podman takes them, such as `size=64m,mode=1777`. */
  | { readonly kind: 'tmpfs'; readonly target: string; readonly options?: string | undefined }

export interface ContainerLimits {
  /** As Podman takes it: `512m`. */
  readonly memory?: string | undefined
  readonly cpus?: string | undefined
  readonly pids?: number | undefined
}

/**
 * Who is who inside. `image`: whoever the image names. The user of the host is `keepId` inside, where it is set, and
 * root where it is not.
 */
export interface ContainerIdentity {
  readonly user?: string | undefined
  readonly keepId?: { readonly uid: number; readonly gid: number } | undefined
}

/** A container, before it is a quadlet or a command line. Values are texts as meant; rendering escapes them. */
export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly identity: ContainerIdentity
  /** As `podman run --network` takes them, or with the file name of a quadlet in place of the network's. */
  readonly networks: readonly string[]
  /** Resolver of the container; absent: what Podman writes. */
  readonly nameserver?: string | undefined
  /** Absolute; absent: where the image says. */
  readonly workingDirectory?: string | undefined
  /** Words after the image's entrypoint; empty: what the image names. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Files of `NAME=VALUE` lines. */
  readonly environmentFiles: readonly string[]
  /** Podman's secrets by the variable that holds them. */
  readonly secrets: Readonly<Record<string, string>>
  readonly mounts: readonly ContainerMount[]
  /** As `podman run --publish` takes them. */
  readonly published: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly readOnly: boolean
  readonly noNewPrivileges: boolean
  readonly labelDisable: boolean
  readonly dropCapabilities: readonly string[]
  readonly addCapabilities: readonly string[]
  /** A file that Podman reads at the start; absent: its own profile. */
  readonly seccompProfile?: string | undefined
  readonly limits: ContainerLimits
  /** A command inside that succeeds once the container serves. */
  readonly health?: readonly [string, ...string[]] | undefined
  /** Seconds from the request to stop until it is killed. */
  readonly stopTimeout: number
}
