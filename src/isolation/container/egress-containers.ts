import type { ContainerMount, ContainerSpec } from './spec.ts'
import { fixedAddress, type CageNetwork } from './subnet.ts'
import { cageNames } from './names.ts'
import type { PublishedPort } from '../../policy/published-port.ts'

/** What the trusted side of a cage is made of. Paths are the host's, absolute. */
export interface EgressPlan {
  readonly name: string
  /** What its parts in Podman are called after; absent: the cage. */
  readonly prefix?: string | undefined
  readonly image: string
  readonly network: CageNetwork
  /** Network that both sides are on, as the renderer names it. */
  readonly internal: string
  /** Volume of the certificate authority, as the renderer names it; undefined: it lives in memory, as long as the proxy does. */
  readonly volume: string | undefined
  /** Configuration, record and secrets. */
  readonly folder: string
  readonly stateFolder: string
  /** File of variables that the configuration asks for; its values may be secret. */
  readonly environmentFile: string
  /** Files that the configuration names, shown at their own paths. */
  readonly files: readonly string[]
  /** Whether a transform gets new secrets in place of old ones, which the proxy then keeps. */
  readonly keepsSecrets: boolean
  /** Ports on which the workload is captured. */
  readonly ports: readonly number[]
  readonly published: readonly PublishedPort[]
  /** Whether this host can limit memory and processes of a user's containers. */
  readonly limits: { readonly memory: boolean; readonly pids: boolean }
}

/** The user inside: the host's, under a number that nobody else has. */
export const EGRESS_USER = 65_532

/** An empty folder over one of a mount. Podman's default would copy into it what it is to hide, and fail for its size. */
const COVER = 'size=4k,mode=0700,notmpcopyup'

/** Where things are in the egress's containers. */
const CONFIG_HOME = '/etc/agentcage'
const STATE = '/var/lib/agentcage'

/** The explicit proxy's port: 8080, unless that one is captured. */
export function proxyPort(ports: readonly number[]): number {
  return freePort(8080, ports)
}

/** Answers DNS. It is on the cage's network only: nothing that it is asked is ever asked of anybody. */
export function dnsContainer(plan: EgressPlan): ContainerSpec {
  const { network, folder, stateFolder } = plan
  const inside = `${CONFIG_HOME}/deployments/${plan.name}`
  return {
    ...base(plan),
    name: cageNames(plan.prefix ?? plan.name).dns,
    networks: [`${plan.internal}:${fixedAddress(network.dns)}`],
    command: [
      ['egress', '--config', `${inside}/cage.yaml`, '--name', plan.name, '--state', `${STATE}/dns`],
      ['--dns', `${network.dns}:53`, '--answer', network.proxy],
    ].flat(),
    mounts: [
      bind(folder, inside, false),
      // What it does not need it does not see.
      { kind: 'tmpfs', target: `${inside}/secrets`, options: COVER },
      bind(`${stateFolder}/dns`, `${STATE}/dns`, true),
    ],
    health: probe(network.dns, 53),
  }
}

/** The proxy: on the cage's network, and on Podman's own towards the internet. */
export function proxyContainer(plan: EgressPlan): ContainerSpec {
  const { network, folder, stateFolder } = plan
  const inside = `${CONFIG_HOME}/deployments/${plan.name}`
  const explicit = proxyPort(plan.ports)
  const doors = doorsOf(plan, explicit)
  return {
    ...base(plan),
    name: cageNames(plan.prefix ?? plan.name).proxy,
    networks: [`${plan.internal}:${fixedAddress(network.proxy)}`, 'podman'],
    command: [
      ['egress', '--config', `${inside}/cage.yaml`, '--name', plan.name, '--state', `${STATE}/cage`],
      [
        '--ca',
        plan.volume === undefined ? '/tmp/ca' : `${STATE}/certs/ca`,
        '--trust',
        `${STATE}/cage/trust`,
        '--values',
        `${STATE}/cage/values`,
      ],
      ['--recorded-inspectors', '--proxy', `${network.proxy}:${explicit}`],
      ...plan.ports.flatMap((port) => ['--transparent', `${network.proxy}:${port}=${port}`]),
      ...doors.flatMap(({ port, inside: to }) => ['--publish', `0.0.0.0:${port}=${network.cage}:${to}`]),
    ].flat(),
    environmentFiles: [plan.environmentFile],
    mounts: [
      bind(folder, inside, false),
      ...(plan.keepsSecrets ? [bind(`${folder}/secrets`, `${inside}/secrets`, true)] : []),
      bind(stateFolder, `${STATE}/cage`, true),
      { kind: 'tmpfs', target: `${STATE}/cage/dns`, options: COVER },
      ...certificates(plan),
      ...plan.files.map((path) => bind(path, path, false)),
    ],
    published: doors.map(({ bind: address, outside, port }) => `${address}:${outside}:${port}`),
    health: probe(network.proxy, explicit),
  }
}

function certificates({ volume }: EgressPlan): readonly ContainerMount[] {
  return volume === undefined ? [] : [{ kind: 'volume', source: volume, target: `${STATE}/certs`, writable: true }]
}

/** Where the proxy listens for each published port: it may capture the same number from inside. */
function doorsOf({ ports, published }: EgressPlan, explicit: number): readonly (PublishedPort & { port: number })[] {
  const taken = [...ports, explicit]
  return published.map((entry) => {
    const port = freePort(20_000, taken)
    taken.push(port)
    return { ...entry, port }
  })
}

function freePort(from: number, taken: readonly number[]): number {
  let port = from
  while (taken.includes(port)) port++
  return port
}

function base({ image, limits }: EgressPlan): Omit<ContainerSpec, 'name' | 'networks' | 'command' | 'mounts'> {
  return {
    image,
    identity: { user: `${EGRESS_USER}:${EGRESS_USER}`, keepId: { uid: EGRESS_USER, gid: EGRESS_USER } },
    environment: { XDG_CONFIG_HOME: '/etc', HOME: '/tmp' },
    environmentFiles: [],
    secrets: {},
    published: [],
    sysctls: {
      // Ports below 1024 without a capability, in this network namespace only.
      'net.ipv4.ip_unprivileged_port_start': '0',
      // What is on two networks passes nothing on by itself.
      'net.ipv4.ip_forward': '0',
    },
    readOnly: true,
    noNewPrivileges: true,
    labelDisable: true,
    dropCapabilities: ['all'],
    addCapabilities: [],
    limits: { memory: limits.memory ? '512m' : undefined, pids: limits.pids ? 256 : undefined },
    stopTimeout: 15,
  }
}

/** The image has no shell; see image/contents.ts for the program. */
function probe(address: string, port: number): readonly [string, ...string[]] {
  return ['/usr/bin/node', '/opt/agentcage/probe.mjs', address, String(port), '45']
}

function bind(source: string, target: string, writable: boolean): ContainerMount {
  return { kind: 'bind', source, target, writable }
}
