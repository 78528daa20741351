import { execWords, renderUnit, unitValue, type Directive, type UnitSection } from '../systemd/unit-text.ts'
import type { ContainerMount, ContainerSpec } from './spec.ts'

/** What systemd does with a container. */
export interface ContainerService {
  readonly description: string
  /** Units that start before this one does, and are started with it. */
  readonly after: readonly string[]
  readonly restart: 'no' | 'on-failure' | 'always'
  /** Seconds. */
  readonly restartSec: number
  /** Seconds; null: no end. */
  readonly timeoutStartSec: number | null
  /** A file of the host to remove before the start: what a container that was killed left. */
  readonly leftover?: string | undefined
}

/**
 * The quadlet of a container (podman-systemd.unit(5)). Whatever a value holds, it stays the value of its directive:
 * control characters are escaped or refused, `%` and `$` are doubled, because all of this ends up in an ExecStart=.
 */
export function containerQuadlet(comment: string, spec: ContainerSpec, service: ContainerService): string {
  return renderUnit(comment, [
    unitSection(service),
    { name: 'Container', directives: containerDirectives(spec) },
    serviceSection(service, spec.stopTimeout),
    { name: 'Install', directives: [['WantedBy', 'default.target']] },
  ])
}

/** A value in a quadlet that becomes one word of a command line. */
function quadletValue(text: string): string {
  return unitValue(text).replaceAll('$', '$$$$')
}

/** A part that keeps failing is not given up: the others wait for it. */
function unitSection({ description, after }: ContainerService): UnitSection {
  return {
    name: 'Unit',
    directives: [
      ['Description', unitValue(description)],
      // Wanted, not required: a proxy that is started again must not stop the workload.
      ...after.flatMap((unit): Directive[] => [
        ['Wants', unit],
        ['After', unit],
      ]),
      ['StartLimitIntervalSec', '0'],
    ],
  }
}

function containerDirectives(spec: ContainerSpec): Directive[] {
  const { identity, limits, health } = spec
  return [
    ['ContainerName', quadletValue(spec.name)],
    ['Image', quadletValue(spec.image)],
    ['Pull', 'never'],
    ...spec.networks.map((network): Directive => ['Network', quadletValue(network)]),
    ...(spec.nameserver === undefined ? [] : dns(spec.nameserver)),
    ...optional('WorkingDir', spec.workingDirectory),
    ...flag('ReadOnly', spec.readOnly),
    ...flag('NoNewPrivileges', spec.noNewPrivileges),
    ...flag('SecurityLabelDisable', spec.labelDisable),
    ...optional('SeccompProfile', spec.seccompProfile),
    ...words('DropCapability', spec.dropCapabilities),
    ...words('AddCapability', spec.addCapabilities),
    ...Object.entries(spec.sysctls).map(([name, value]): Directive => ['Sysctl', execWords([`${name}=${value}`])]),
    ...optional('User', identity.user),
    ...(identity.keepId === undefined ? [] : [keepId(identity.keepId)]),
    ...spec.mounts.map(mount),
    ...spec.published.map((port): Directive => ['PublishPort', quadletValue(port)]),
    ...spec.environmentFiles.map((path): Directive => ['EnvironmentFile', quadletValue(path)]),
    ...Object.entries(spec.environment).map(([name, value]): Directive => [
      'Environment',
      execWords([`${name}=${value}`]),
    ]),
    ...Object.entries(spec.secrets).map(([name, secret]): Directive => [
      'Secret',
      execWords([`${secret},type=env,target=${name}`]),
    ]),
    ...(limits.memory === undefined ? [] : [podmanArgument('--memory', limits.memory)]),
    ...(limits.cpus === undefined ? [] : [podmanArgument('--cpus', limits.cpus)]),
    ...(limits.pids === undefined ? [] : [podmanArgument('--pids-limit', String(limits.pids))]),
    ...(health === undefined ? [] : healthDirectives(health)),
    ['StopTimeout', String(spec.stopTimeout)],
    ...(spec.command.length === 0 ? [] : [['Exec', execWords(spec.command)] as const]),
  ]
}

function serviceSection(service: ContainerService, stopTimeout: number): UnitSection {
  const { restart, restartSec, timeoutStartSec, leftover } = service
  return {
    name: 'Service',
    directives: [
      ...(leftover === undefined ? [] : [['ExecStartPre', execWords(['/bin/rm', '-f', '--', leftover])] as const]),
      ['Restart', restart],
      ['RestartSec', String(restartSec)],
      ['TimeoutStartSec', timeoutStartSec === null ? 'infinity' : String(timeoutStartSec)],
      // Podman needs a moment more than the container has.
      ['TimeoutStopSec', String(stopTimeout + 10)],
    ],
  }
}

/** No search list: it would be the host's, and names would be asked for that nobody meant. */
function dns(address: string): Directive[] {
  return [
    ['DNS', quadletValue(address)],
    ['DNSSearch', '.'],
  ]
}

function keepId({ uid, gid }: { readonly uid: number; readonly gid: number }): Directive {
  return ['UserNS', `keep-id:uid=${uid},gid=${gid}`]
}

function mount(entry: ContainerMount): Directive {
  switch (entry.kind) {
    case 'bind':
    case 'volume':
      return ['Volume', quadletValue(volumeText(entry))]
    case 'tmpfs':
      return ['Tmpfs', quadletValue(tmpfsText(entry))]
  }
}

/** `SOURCE:TARGET:OPTIONS`, as Podman splits it. */
export function volumeText({ source, target, writable }: Exclude<ContainerMount, { kind: 'tmpfs' }>): string {
  for (const path of [source, target])
    if (path.includes(':')) throw new RangeError(`a colon cannot stand in the path of a mount: ${path}`)
  return `${source}:${target}:${writable ? 'rw' : 'ro'}`
}

export function tmpfsText({ target, options }: Extract<ContainerMount, { kind: 'tmpfs' }>): string {
  return options === undefined ? target : `${target}:${options}`
}

/** Podman looks at once, with a look that waits until it serves, and rarely after that: each look starts a program. */
function healthDirectives(command: readonly [string, ...string[]]): Directive[] {
  const text = quadletValue(JSON.stringify(command))
  return [
    ['Notify', 'healthy'],
    ['HealthCmd', text],
    ['HealthInterval', '5m'],
    ['HealthTimeout', '50s'],
    ['HealthRetries', '3'],
    ['HealthOnFailure', 'kill'],
  ]
}

function podmanArgument(name: string, value: string): Directive {
  return ['PodmanArgs', execWords([`${name}=${value}`])]
}

function flag(name: string, on: boolean): Directive[] {
  return on ? [[name, 'true']] : []
}

function optional(name: string, value: string | undefined): Directive[] {
  return value === undefined ? [] : [[name, quadletValue(value)]]
}

function words(name: string, values: readonly string[]): Directive[] {
  return values.length === 0 ? [] : [[name, execWords(values)]]
}
