import { normalize } from 'node:path/posix'
import { CageError } from '../../errors.ts'
import { proxyVariables } from '../process/environment.ts'
import { cageNames, OWN_VOLUMES, podmanSecretName } from './names.ts'
import type { ContainerIdentity, ContainerMount, ContainerSpec } from './spec.ts'
import { fixedAddress, type CageNetwork } from './subnet.ts'

/** Of the configuration's `container` section. */
export interface AgentSettings {
  readonly image?: string | undefined
  readonly command?: readonly string[] | undefined
  readonly named_volumes: Readonly<Record<string, string>>
  readonly tmpfs: readonly string[]
  readonly podman_secrets: readonly string[]
  /** null and '': whoever the image names. */
  readonly user: string | null
  readonly memory?: string | undefined
  readonly cpus?: string | undefined
  readonly pids: number
  readonly read_only: boolean
  readonly no_new_privileges: boolean
  readonly security_label_disable: boolean
  readonly drop_capabilities: readonly string[]
  readonly add_capabilities: readonly string[]
  readonly timeout_stop_sec: number
}

export interface AgentPlan {
  readonly name: string
  /** What its parts in Podman are called after; absent: the cage. */
  readonly prefix?: string | undefined
  readonly settings: AgentSettings
  readonly network: CageNetwork
  /** The network, as the renderer names it. */
  readonly internal: string
  readonly proxyPort: number
  /** After expansion; nothing of it is the cage's own. */
  readonly environment: Readonly<Record<string, string>>
  /** File of placeholders. */
  readonly placeholderFile: string
  readonly trust: { readonly mounts: readonly ContainerMount[]; readonly environment: Readonly<Record<string, string>> }
  /** `container.volumes`, checked, and what protects parts of them. */
  readonly volumes: readonly ContainerMount[]
  /** What keeps the workload from making programs that run as their owner in folders of the host. */
  readonly seccompProfile: string
  readonly limits: { readonly memory: boolean; readonly cpu: boolean; readonly pids: boolean }
  /** Whether the kernel has IPv6, which then is switched off inside. */
  readonly ipv6: boolean
}

/** The workload's container: on the cage's network only, and everything on that network is the egress. */
export function agentContainer(plan: AgentPlan): ContainerSpec {
  const { name, settings, network, trust, limits } = plan
  const prefix = plan.prefix ?? name
  if (settings.image === undefined)
    throw new CageError('config_invalid', 'container.image is required in config', {
      hint: 'Name the image that the agent runs in, or write isolation: process.',
    })
  return {
    name: cageNames(prefix).cage,
    image: settings.image,
    identity: identityOf(settings.user, plan.volumes.length > 0),
    networks: [`${plan.internal}:${fixedAddress(network.cage)}`],
    nameserver: network.dns,
    command: settings.command ?? [],
    environment: environmentOf(plan),
    environmentFiles: [plan.placeholderFile],
    secrets: Object.fromEntries(settings.podman_secrets.map((key) => [key, podmanSecretName(prefix, key)])),
    mounts: [...plan.volumes, ...namedVolumes(settings), ...settings.tmpfs.map(tmpfs), ...trust.mounts],
    published: [],
    sysctls: {
      'net.ipv4.ip_forward': '0',
      // The bridge has a link-local address, and with it would be reachable.
      ...(plan.ipv6 ? { 'net.ipv6.conf.all.disable_ipv6': '1' } : {}),
    },
    readOnly: settings.read_only,
    noNewPrivileges: settings.no_new_privileges,
    labelDisable: settings.security_label_disable,
    seccompProfile: writesToHost(plan.volumes) ? plan.seccompProfile : undefined,
    dropCapabilities: settings.drop_capabilities,
    addCapabilities: settings.add_capabilities,
    limits: {
      memory: limits.memory ? settings.memory : undefined,
      cpus: limits.cpu ? settings.cpus : undefined,
      pids: limits.pids ? settings.pids : undefined,
    },
    stopTimeout: settings.timeout_stop_sec,
  }
}

/** Whether the workload makes files outside of Podman's storage, where others of the host may run them. */
export function writesToHost(volumes: readonly ContainerMount[]): boolean {
  return volumes.some((mount) => mount.kind === 'bind' && mount.writable)
}

/** A number that no image uses: the host's user, where the workload must not be it. */
const NOBODY = 65_533

/**
 * Who the workload is outside. A user with a number is a subordinate one of the host's, unless folders of the host are
 * mounted: those it has to be able to write. What the image names may be root, which must not be the host's user.
 */
function identityOf(user: string | null, hasFolders: boolean): ContainerIdentity {
  const named = user === null || user === '' ? undefined : user
  const [uid, gid] =
    /^(\d+)(?::(\d+))?$/
      .exec(named ?? '')
      ?.slice(1)
      .map(Number) ?? []
  if (uid === undefined || uid === 0) return { user: named, keepId: { uid: NOBODY, gid: NOBODY } }
  if (!hasFolders) return { user: named }
  return { user: named, keepId: { uid, gid: gid === undefined || Number.isNaN(gid) ? uid : gid } }
}

function environmentOf({ network, proxyPort, trust, environment, name }: AgentPlan): Record<string, string> {
  const own = {
    ...proxyVariables(`http://${network.proxy}:${proxyPort}`),
    ...trust.environment,
    AGENTCAGE: name,
  }
  const taken = Object.keys(environment).find((key) => Object.hasOwn(own, key))
  if (taken === undefined) return { ...environment, ...own }
  throw new CageError('config_invalid', `container.env.${taken}: the cage sets this variable itself`, {
    hint: 'Remove it: proxy and certificates inside the cage are those of the egress.',
  })
}

function namedVolumes({ named_volumes: volumes }: AgentSettings): readonly ContainerMount[] {
  return Object.entries(volumes).map(([name, place]) => {
    if (name.startsWith(OWN_VOLUMES))
      throw new CageError('mount_refused', `container.named_volumes: '${name}' would be a volume of agentcage's own`, {
        hint: `Choose a name that does not start with ${OWN_VOLUMES}.`,
      })
    const [target, options] = split(place)
    return { kind: 'volume', source: name, target: insidePath(target), writable: options !== 'ro' }
  })
}

function tmpfs(text: string): ContainerMount {
  const [target, options] = split(text)
  return { kind: 'tmpfs', target: insidePath(target), options }
}

function split(text: string): readonly [string, string | undefined] {
  const at = text.indexOf(':')
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Where the cage's own arrangements are. */
const TAKEN = ['/proc', '/sys', '/dev', '/run/agentcage', '/etc/resolv.conf', '/etc/ssl/certs', '/etc/pki']

function insidePath(written: string): string {
  const path = normalize(written).replace(/\/+$/, '')
  const isTaken = TAKEN.some((own) => path === own || own.startsWith(`${path}/`) || path.startsWith(`${own}/`))
  if (!isTaken || path === '/run' || path === '/dev/shm') return path
  throw new CageError('mount_refused', `'${path}' inside would replace part of the cage`, {
    hint: 'Choose a path of its own, such as /data.',
  })
}
