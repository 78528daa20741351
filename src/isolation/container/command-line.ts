import { tmpfsText, volumeText } from './quadlet.ts'
import type { ContainerMount, ContainerSpec } from './spec.ts'

/** How a container is started from a command line rather than by systemd. */
export interface ForegroundOptions {
  /** Whether it gets the terminal that `podman run` has. */
  readonly terminal: boolean
  /** Whether it gets our standard input. */
  readonly interactive: boolean
  /** A process 1 that passes signals on and ends by them, as a program started by hand does. */
  readonly init: boolean
}

/** The arguments of `podman run` for a container in the foreground that leaves nothing behind. */
export function runArguments(
  spec: ContainerSpec,
  { terminal, interactive, init }: ForegroundOptions,
): readonly string[] {
  const { identity, limits } = spec
  return [
    ['run', '--rm', '--pull', 'never', '--name', spec.name],
    interactive ? ['--interactive'] : [],
    terminal ? ['--tty'] : [],
    init ? ['--init'] : [],
    spec.networks.flatMap((network) => ['--network', network]),
    spec.nameserver === undefined ? [] : ['--dns', spec.nameserver, '--dns-search', '.'],
    spec.workingDirectory === undefined ? [] : ['--workdir', spec.workingDirectory],
    spec.readOnly ? ['--read-only'] : [],
    spec.noNewPrivileges ? ['--security-opt', 'no-new-privileges'] : [],
    spec.labelDisable ? ['--security-opt', 'label=disable'] : [],
    spec.seccompProfile === undefined ? [] : ['--security-opt', `seccomp=${spec.seccompProfile}`],
    spec.dropCapabilities.flatMap((name) => ['--cap-drop', name]),
    spec.addCapabilities.flatMap((name) => ['--cap-add', name]),
    Object.entries(spec.sysctls).flatMap(([name, value]) => ['--sysctl', `${name}=${value}`]),
    identity.user === undefined ? [] : ['--user', identity.user],
    identity.keepId === undefined ? [] : ['--userns', `keep-id:uid=${identity.keepId.uid},gid=${identity.keepId.gid}`],
    spec.mounts.flatMap(mount),
    spec.published.flatMap((port) => ['--publish', port]),
    spec.environmentFiles.flatMap((path) => ['--env-file', path]),
    Object.entries(spec.environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    Object.entries(spec.secrets).flatMap(([name, secret]) => ['--secret', `${secret},type=env,target=${name}`]),
    limits.memory === undefined ? [] : ['--memory', limits.memory],
    limits.cpus === undefined ? [] : ['--cpus', limits.cpus],
    limits.pids === undefined ? [] : ['--pids-limit', String(limits.pids)],
    ['--stop-timeout', String(spec.stopTimeout), spec.image, ...spec.command],
  ].flat()
}

function mount(entry: ContainerMount): readonly string[] {
  return entry.kind === 'tmpfs' ? ['--tmpfs', tmpfsText(entry)] : ['--volume', volumeText(entry)]
}
